"""What an input or output costs each way, measured here."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from edgewright.data.contract import Contract
from edgewright.runtime.boundary import from_port
from edgewright.runtime.input_path.measure import measure_path, take_turns
from edgewright.runtime.input_path.pass_through import natural_grid
from edgewright.runtime.input_path.path import InputPath
from edgewright.runtime.input_path.tables import port_layout, port_shape
from edgewright.targets.artifact import PortSpec
from edgewright.tensors import Grid, TensorSpec

_THRESHOLD_CODE = 64  # any: the time of a comparison does not hang on it


@dataclass(frozen=True)
class Way:
    """One way to feed or to read a tensor.

    Attributes:
        name: float, table, fused, pass-through, codes.
        bytes: of the tensor at the boundary.
        microseconds: of the host's work for one image, without resize.
        copies: passes over the data; 0 where nothing is moved.
        proof: what was compared, for an input.
    """

    name: str
    bytes: int
    microseconds: float
    copies: int
    proof: str = ""

    def to_json(self) -> dict[str, Any]:
        """The way as JSON data."""
        return {
            "way": self.name,
            "bytes": self.bytes,
            "microseconds": round(self.microseconds, 1),
            "copies": self.copies,
            "proof": self.proof,
        }


def input_ways(contract: Contract, port: PortSpec, grid: Grid | None, code_layout: str) -> list[Way]:
    """Each way that there is for the input, whatever the port takes now.

    Args:
        contract: what is fed.
        port: what the runtime takes now.
        grid: of the input in the network; None where that is not known: then the one that passes raw bytes through.
        code_layout: order of axes of an input of codes; empty takes the port's.
    """
    if contract.dtype == "uint8":
        return [_way("pass-through", InputPath(contract, port))]
    real = replace(port, spec=replace(port.spec, dtype=contract.dtype), grid=None)
    codes = _codes_port(contract, port, grid or natural_grid(contract), code_layout)
    found = [_way("float", InputPath(contract, real))]
    if codes.grid is not None and codes.grid.bits == 8:
        fused = InputPath(contract, codes)
        found.append(_way("table", InputPath(contract, codes, look_up=True)))
        if fused.route.kind == "affine":
            found.append(_way("fused", fused))
        # what it costs where it is exact; whether it is for this grid is another question
        simple = contract.model_copy(update={"mean": (0.0,) * contract.channels, "std": (1.0,) * contract.channels})
        low = -128 if codes.grid.dtype == "int8" else 0
        raw = replace(codes, grid=Grid(codes.grid.dtype, np.float32(1), np.int64(low)))
        found.append(replace(_way("pass-through", InputPath(simple, raw)), proof=""))
    return found


def output_ways(port: PortSpec, grid: Grid | None) -> list[Way]:
    """Reading an output as real values, and keeping its codes; nothing to choose where it has none of either."""
    sizes = [size or 1 for size in port.spec.shape]
    count = int(np.prod(sizes))
    grid = port.grid or grid
    if grid is None and port.spec.dtype != "float16":
        return [Way("float", count * np.dtype(port.spec.dtype).itemsize, 0.0, 0)]
    dtype = grid.dtype if grid is not None else "float16"
    held = PortSpec(TensorSpec(port.spec.name, dtype, tuple(sizes)), port.layout, grid)
    values = np.random.default_rng(0).integers(0, 100, sizes).astype(dtype)
    threshold = values.dtype.type(_THRESHOLD_CODE)
    convert, compare = take_turns(lambda: from_port(values, held), lambda: values >= threshold)
    size = count * values.itemsize
    return [Way("float", count * 4, convert, 1), Way("codes" if grid is not None else "float16", size, compare, 0)]


def _codes_port(contract: Contract, port: PortSpec, grid: Grid, code_layout: str) -> PortSpec:
    before, layout = port_layout(contract, port), code_layout or port_layout(contract, port)
    axis = {"NCHW": 1, "NHWC": 3}[layout]
    if grid.axis is not None and layout != before:
        grid = Grid(grid.dtype, grid.scale, grid.zero_point, axis)
    empty = PortSpec(TensorSpec(port.spec.name, grid.dtype, ()), layout, grid)
    return replace(empty, spec=replace(empty.spec, shape=port_shape(contract, empty)))


def _way(name: str, path: InputPath) -> Way:
    mine, _, copies = measure_path(path)
    size = int(np.prod(path.shape)) * path.dtype.itemsize
    return Way(name, size, mine, copies, path.route.proof)
