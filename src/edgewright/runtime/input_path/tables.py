"""What the target is to be fed for each raw byte: 256 elements a channel, by the target's own formula."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgewright.data.contract import Contract, normalise
from edgewright.errors import BundleError
from edgewright.runtime.boundary import to_port
from edgewright.targets.artifact import PortSpec
from edgewright.tensors import ROUNDINGS


def port_layout(contract: Contract, port: PortSpec) -> str:
    """The order of the port's axes: its own, or else the contract's, which then is fed as it is."""
    return port.layout or contract.layout


def port_tables(contract: Contract, port: PortSpec, rounding: str = "half-even") -> NDArray[Any]:
    """Elements of the port's type for all raw bytes, shape (channels, 256), in the contract's order of channels.

    They come out of `normalise` and `to_port`, the code that calibration and verification use, on an image that has
    every value once.

    Args:
        contract: mean, std and element type before the port.
        port: grid and element type at the runtime's boundary.
        rounding: how the target makes a code of value / scale, a key of `ROUNDINGS`.

    Raises:
        BundleError: contract and port do not belong together, or the grid has another axis than that of channels.
        ValueError: no such rounding.
    """
    if rounding not in ROUNDINGS:
        raise ValueError(f"rounding must be one of {', '.join(ROUNDINGS)}, but got {rounding!r}")
    _check(contract, port)
    every = np.arange(256, dtype=np.uint8)[None]
    image = every if contract.channels == 1 else np.repeat(every[:, :, None], contract.channels, axis=2)
    tensor = normalise(image, contract)
    wide = port_layout(contract, port) == "NHWC"
    shape = (1, 1, 256, contract.channels) if wide else (1, contract.channels, 1, 256)
    small = replace(port, spec=replace(port.spec, shape=shape))
    codes = to_port(tensor, small, contract.layout, rounding)
    return np.ascontiguousarray(codes[0, 0].T if wide else codes[0, :, 0])


def port_shape(contract: Contract, port: PortSpec) -> tuple[int, int, int, int]:
    """The shape of one image at the port."""
    order = (0, 1, 2) if port_layout(contract, port) == "NCHW" else (1, 2, 0)
    sizes = (contract.channels, contract.height, contract.width)
    return (1, sizes[order[0]], sizes[order[1]], sizes[order[2]])


def _check(contract: Contract, port: PortSpec) -> None:
    shape = port_shape(contract, port)
    wanted = port.spec.shape
    if len(wanted) != 4 or any(w is not None and w != n for w, n in zip(wanted, shape, strict=True)):
        raise BundleError(
            f"the input {port.spec.name!r} wants shape {wanted}, but the preprocessing contract gives {shape}",
            todo="deploy the model again; contract and artifact do not belong together",
        )
    axis = 1 if port_layout(contract, port) == "NCHW" else 3
    if port.grid is not None and port.grid.axis is not None and port.grid.axis % 4 != axis:
        raise BundleError(
            f"the grid of the input {port.spec.name!r} has a scale for each entry of axis {port.grid.axis}",
            why=f"an image has scales for the whole tensor or for each channel, axis {axis}",
            todo="deploy the model again; this grid is not one of an image",
        )
