"""How many bytes the host's stages cannot help moving."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgewright.data.contract import Contract
from edgewright.targets.artifact import Artifact, PortSpec


def bytes_moved(artifact: Artifact, contract: Contract, image: NDArray[Any]) -> dict[str, int]:
    """The larger of what a stage reads and writes, for memory is copied at the speed of the slower of the two.

    Args:
        artifact: with its boundary.
        contract: how the image becomes the network's input.
        image: a frame.

    Returns:
        Bytes by stage: "resize" (the placed pixels written, or the frame read), "input set" (pixels read, codes
        or floats written), "decode" (all outputs read once).
    """
    placed = contract.width * contract.height * contract.channels
    fed = next((_size(port) for port in artifact.inputs if port.spec.name == contract.input), 0)
    return {
        "resize": max(placed, int(image.nbytes)),
        "input set": max(placed, fed),
        "decode": sum(_size(port) for port in artifact.outputs),
    }


def _size(port: PortSpec) -> int:
    return math.prod(size or 1 for size in port.spec.shape) * np.dtype(port.spec.dtype).itemsize
