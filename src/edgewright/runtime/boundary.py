"""Between real values in the model's layout and what a runtime takes and gives at its boundary."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgewright.data.contract import Contract
from edgewright.errors import BundleError
from edgewright.targets.artifact import Artifact, PortSpec

_TO_LAYOUT = {("NCHW", "NHWC"): (0, 2, 3, 1), ("NHWC", "NCHW"): (0, 3, 1, 2)}


def to_port(values: NDArray[Any], port: PortSpec, layout: str = "", rounding: str = "half-even") -> NDArray[Any]:
    """Real values as the runtime wants them: order of axes, codes where the port has a grid, element type.

    Args:
        values: real values, of any numeric type.
        port: what the runtime wants.
        layout: order of axes of `values`; empty leaves it as it is.
        rounding: as `Grid.quantise` has it.

    Raises:
        BundleError: the shape is another, or the type could not be converted without loss of meaning (float to integer
            without a grid).
    """
    values = _transposed(values, layout, port.layout)
    if not _fits(values.shape, port.spec.shape):
        raise BundleError(
            f"the input {port.spec.name!r} wants shape {port.spec.shape}, but the preprocessing contract gives "
            f"{values.shape}",
            todo="deploy the model again; contract and artifact do not belong together",
        )
    dtype = np.dtype(port.spec.dtype)
    if port.grid is not None:
        values = port.grid.quantise(values, rounding)
    floats = values.dtype.kind == dtype.kind == "f"
    if not floats and not np.can_cast(values.dtype, dtype, "safe"):
        raise BundleError(
            f"the input {port.spec.name!r} wants {dtype}, but the preprocessing contract gives {values.dtype}",
            why="there is no quantisation grid that says which code a value has",
            todo="deploy the model again; contract and artifact do not belong together",
        )
    return np.ascontiguousarray(values, dtype)


def from_port(values: NDArray[Any], port: PortSpec, layout: str = "") -> NDArray[Any]:
    """What the runtime gave as real values: float32 from a grid or a narrower float, integers without a grid unchanged.

    Args:
        values: as the runtime gave them.
        port: what they are.
        layout: order of axes that is wanted; empty leaves it as it is.
    """
    if port.grid is not None:  # first, for its channel axis is counted in the port's own order
        values = port.grid.dequantise(values)
    elif values.dtype == np.float16:
        values = values.astype(np.float32)
    return _transposed(values, port.layout, layout)


def feeds_for(artifact: Artifact, contract: Contract, tensor: NDArray[Any]) -> dict[str, NDArray[Any]]:
    """What to feed the artifact for one preprocessed image.

    Args:
        artifact: with one input, the contract's.
        contract: how `tensor` was made.
        tensor: shape `contract.shape`.

    Raises:
        BundleError: the artifact has further inputs, or the contract's input has another shape or type.
    """
    return {contract.input: to_port(tensor, image_port(artifact, contract), contract.layout)}


def image_port(artifact: Artifact, contract: Contract) -> PortSpec:
    """The artifact's one input, which the contract fills.

    Raises:
        BundleError: the artifact has further inputs, or none of that name.
    """
    ports = {port.spec.name: port for port in artifact.inputs}
    others = sorted(set(ports) - {contract.input})
    if others or contract.input not in ports:
        raise BundleError(
            f"the preprocessing contract fills {contract.input!r}, the artifact wants {', '.join(map(repr, ports))}",
            todo="export the model with one image input; further inputs (sizes, scales) can be made constants",
        )
    return ports[contract.input]


def real_outputs(artifact: Artifact, outputs: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """Every output of the artifact as real values, in the artifact's order.

    Raises:
        BundleError: the runtime did not give an output that the artifact has.
    """
    missing = [port.spec.name for port in artifact.outputs if port.spec.name not in outputs]
    if missing:
        raise BundleError(
            f"the runtime gave no output {missing[0]!r}", where=artifact.target, why=f"it gave {', '.join(outputs)}"
        )
    return {port.spec.name: from_port(outputs[port.spec.name], port) for port in artifact.outputs}


def _transposed(values: NDArray[Any], now: str, wanted: str) -> NDArray[Any]:
    order = _TO_LAYOUT.get((now, wanted))
    return values.transpose(order) if order is not None and values.ndim == 4 else values


def _fits(shape: tuple[int, ...], wanted: tuple[int | None, ...]) -> bool:
    return len(shape) == len(wanted) and all(w is None or n == w for n, w in zip(shape, wanted, strict=True))
