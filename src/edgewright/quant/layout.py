"""Which tensors get a grid: decided by the target's fusion profile and the precision of each op.

An op in 8 or 16 bits has grids on its inputs and outputs. Ops that only move data keep the grid of their input; an
activation that the Conv before it absorbs leaves no tensor in between. A tensor is as wide as the op that makes it; an
8-bit op that reads a 16-bit tensor reads it through a second, 8-bit grid: one more conversion on the chip.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from edgewright.graph.model import Model
from edgewright.quant.fusion import DATA_INPUTS, absorbed, activation_inputs, is_float
from edgewright.quant.plan import Precision
from edgewright.quant.profile import FusionProfile


@dataclass(frozen=True)
class Operand:
    """A weight or constant with a grid.

    Attributes:
        name: name of the initialiser.
        node: the node that uses it; of several, the one with the most bits.
        role: "weight", "bias" or "constant" (an operand of Add, Mul...).
        axis: channel axis for a weight; None for one grid per tensor.
    """

    name: str
    node: str
    role: str
    axis: int | None = None


@dataclass(frozen=True)
class Layout:
    """Tensors with grids.

    Attributes:
        leaders: activation that owns the grid, for every gridded activation (itself where it owns one).
        operands: gridded initialisers.
        precision: precision of each gridded activation, from the op that makes it (or else from its widest reader).
        narrowed: 16-bit activations that 8-bit ops read through a second grid.
        ops: precision of each op, where ops that only move data have that of their input.
    """

    leaders: Mapping[str, str]
    operands: tuple[Operand, ...]
    precision: Mapping[str, Precision]
    narrowed: frozenset[str]
    ops: Mapping[str, Precision]

    @property
    def observed(self) -> list[str]:
        """Activations whose statistics decide a grid, one for each grid."""
        return sorted(set(self.leaders.values()))


def default_precisions(model: Model, profile: FusionProfile, precision: Precision) -> dict[str, Precision]:
    """`precision` for every op that the target has in integers."""
    return {
        node.name or "": precision
        for node in model.ir.graph
        if node.op_type in profile.quantised_ops
        and node.domain in ("", "ai.onnx")
        and _has_float_input(node)
        and not non_finite_constants(node)
    }


def observable(model: Model, profile: FusionProfile) -> list[str]:
    """Every activation that may own a grid under some choice of precisions, sorted: what calibration must see."""
    nodes = [node for node in model.ir.graph if node.op_type in profile.quantised_ops]
    values = [value for node in nodes for value in (*activation_inputs(node), *node.outputs)]
    return sorted({value.name or "" for value in values if is_float(value)})


def non_finite_constants(node: ir.Node) -> list[str]:
    """Names of float constants of a node that hold NaN or Inf; no grid can hold those."""
    found = []
    for value in node.inputs:
        tensor = value.const_value if value is not None else None
        if tensor is not None and tensor.dtype == ir.DataType.FLOAT and not np.isfinite(tensor.numpy()).all():
            found.append((value.name if value is not None else "") or "")
    return found


def layout(model: Model, profile: FusionProfile, precisions: Mapping[str, Precision]) -> Layout:
    """Work out every grid that the ops in `precisions` need."""
    return _Builder(model, profile, precisions).layout()


class _Builder:
    def __init__(self, model: Model, profile: FusionProfile, precisions: Mapping[str, Precision]) -> None:
        self.profile = profile
        self.asked = {name: precision for name, precision in precisions.items() if precision != "float"}
        self.nodes = [node for node in model.ir.graph if (node.name or "") in self.asked]
        self.ops: dict[str, Precision] = {}
        self.leaders: dict[str, str] = {}
        self.widths: dict[str, Precision] = {}

    def layout(self) -> Layout:
        for node in self.nodes:  # in topological order, so that a producer has decided before its readers look
            self._read(node)
            self._write(node)
        return Layout(self.leaders, self._operands(), self.widths, self._narrowed(), self.ops)

    def _read(self, node: ir.Node) -> None:
        for value in activation_inputs(node):
            name = value.name or ""
            if name not in self.leaders and not absorbed(value, self.profile, self.asked):
                self.leaders[name] = name
                self.widths[name] = self._widest_reader(value)

    def _write(self, node: ir.Node) -> None:
        source = node.inputs[0].name or "" if node.inputs and node.inputs[0] is not None else ""
        moves = node.op_type in self.profile.same_grid_ops and source in self.leaders
        precision = self.widths[source] if moves else self.asked[node.name or ""]
        self.ops[node.name or ""] = precision
        for value in node.outputs:
            if is_float(value) and not absorbed(value, self.profile, self.asked):
                name = value.name or ""
                self.leaders[name] = self.leaders[source] if moves else name
                self.widths[name] = precision

    def _widest_reader(self, value: ir.Value) -> Precision:
        wanted = {self.asked.get(usage.node.name or "") for usage in value.uses()}
        return "int16" if "int16" in wanted else "int8"

    def _narrowed(self) -> frozenset[str]:
        """A move keeps the grid of its input, so only ops that compute convert."""
        return frozenset(
            value.name or ""
            for node in self.nodes
            if self.ops[node.name or ""] == "int8"
            for value in activation_inputs(node)
            if self.widths.get(value.name or "") == "int16"
        )

    def _operands(self) -> tuple[Operand, ...]:
        found: dict[str, Operand] = {}
        for node in self.nodes:
            for operand in _operands(node, self.profile):
                known = found.get(operand.name)
                if known is None or (self.ops[known.node], self.ops[operand.node]) == ("int8", "int16"):
                    found[operand.name] = operand
        return tuple(found.values())


def _operands(node: ir.Node, profile: FusionProfile) -> list[Operand]:
    name = node.name or ""
    found = []
    for index, value in enumerate(node.inputs):
        if value is None or value.const_value is None or value.const_value.dtype != ir.DataType.FLOAT:
            continue
        if value.is_graph_output():
            continue  # its values are wanted as they are
        if index >= DATA_INPUTS.get(node.op_type, 99):
            continue
        if node.op_type not in profile.weight_ops:
            found.append(Operand(value.name or "", name, "constant"))
        elif index == 2:
            # integer kernels take one code per output channel; a bias of another form stays in float
            if value.const_value.numpy().ndim == 1:
                found.append(Operand(value.name or "", name, "bias", 0))
        else:
            axis = _channel_axis(node) if profile.per_channel_weights and index == 1 else None
            found.append(Operand(value.name or "", name, "weight", axis))
    return found


def _channel_axis(node: ir.Node) -> int | None:
    """Axis of the output channels in the weight."""
    if node.op_type == "Conv":
        return 0
    if node.op_type == "ConvTranspose":
        group = node.attributes.get_int("group", 1)
        return 1 if group == 1 else None  # with groups, axis 1 repeats for each group and is no output channel
    if node.op_type == "Gemm":
        return 0 if node.attributes.get_int("transB", 0) else 1
    weight = node.inputs[1]
    return 1 if weight is not None and weight.shape is not None and len(weight.shape) == 2 else None


def _has_float_input(node: ir.Node) -> bool:
    return bool(node.inputs) and node.inputs[0] is not None and is_float(node.inputs[0])
