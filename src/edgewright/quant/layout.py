"""Which tensors get a grid: decided by the target's fusion profile and the precision of each op.

An op in 8 or 16 bits has grids on its inputs and outputs. Ops that only move data keep the grid of their input; an
activation that the Conv before it absorbs leaves no tensor in between.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from edgewright.graph.model import Model
from edgewright.quant.plan import Precision
from edgewright.quant.profile import FusionProfile

_DATA_INPUTS = dict.fromkeys(
    ("Clip", "Gather", "Pad", "Reshape", "Resize", "Slice", "Split", "Squeeze", "Unsqueeze"), 1
)
"""Number of inputs that carry data, for ops whose other inputs are shapes, sizes or indices."""


@dataclass(frozen=True)
class Operand:
    """A weight or constant with a grid.

    Attributes:
        name: name of the initialiser.
        node: the node that uses it.
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
        precision: precision of each gridded activation, from the op that makes it (or else from its first reader).
    """

    leaders: Mapping[str, str]
    operands: tuple[Operand, ...]
    precision: Mapping[str, Precision]

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
    leaders: dict[str, str] = {}
    widths: dict[str, Precision] = {}
    operands: dict[str, Operand] = {}
    for node in model.ir.graph:
        precision = precisions.get(node.name or "", "float")
        if precision == "float":
            continue
        for value in activation_inputs(node):
            if not _absorbed(value, profile, precisions):
                _claim(value, precision, leaders, widths)
        for operand in _operands(node, profile):
            operands.setdefault(operand.name, operand)
        for value in node.outputs:
            if is_float(value) and not _absorbed(value, profile, precisions):
                _claim(value, precision, leaders, widths)
                widths[value.name or ""] = precision  # the op that makes a tensor decides its width
    _share(model, profile, precisions, leaders)
    return Layout(leaders, tuple(operands.values()), widths)


def _claim(
    value: ir.Value,
    precision: Precision,
    leaders: dict[str, str],
    widths: dict[str, Precision],
) -> None:
    name = value.name or ""
    leaders.setdefault(name, name)
    widths.setdefault(name, precision)


def _share(model: Model, profile: FusionProfile, precisions: Mapping[str, Precision], leaders: dict[str, str]) -> None:
    """Outputs of ops that only move data take over the grid of their input; nodes are in topological order."""
    for node in model.ir.graph:
        moves = node.op_type in profile.same_grid_ops and precisions.get(node.name or "", "float") != "float"
        if not moves or node.inputs[0] is None or node.inputs[0].name not in leaders:
            continue
        for value in node.outputs:
            if value.name in leaders:
                leaders[value.name] = leaders[node.inputs[0].name]


def _absorbed(value: ir.Value, profile: FusionProfile, precisions: Mapping[str, Precision]) -> bool:
    """Whether the only reader of a Conv's output is an activation that the target computes together with it."""
    producer = value.producer()
    readers = [usage.node for usage in value.uses()]
    if producer is None or value.is_graph_output():
        return False
    if profile.fuse_silu and producer.op_type == "Sigmoid" and producer.inputs[0] is not None:
        return len(readers) == 1 and _absorbed(producer.inputs[0], profile, precisions)
    if producer.op_type not in profile.weight_ops:
        return False
    if profile.fuse_silu and _is_silu(readers):
        return all(precisions.get(node.name or "", "float") != "float" for node in readers)
    if len(readers) != 1 or readers[0].op_type not in profile.fused_activations:
        return False
    return precisions.get(readers[0].name or "", "float") != "float"


def _is_silu(readers: list[ir.Node]) -> bool:
    if len(readers) != 2 or {node.op_type for node in readers} != {"Sigmoid", "Mul"}:
        return False
    sigmoid = next(node for node in readers if node.op_type == "Sigmoid")
    multiply = next(node for node in readers if node.op_type == "Mul")
    return [usage.node for usage in sigmoid.outputs[0].uses()] == [multiply]


def activation_inputs(node: ir.Node) -> list[ir.Value]:
    """Float inputs of a node that are computed, not constant."""
    found = []
    for index, value in enumerate(node.inputs):
        if value is None or value.const_value is not None or index >= _DATA_INPUTS.get(node.op_type, 99):
            continue
        if is_float(value):
            found.append(value)
    return found


def _operands(node: ir.Node, profile: FusionProfile) -> list[Operand]:
    name = node.name or ""
    found = []
    for index, value in enumerate(node.inputs):
        if value is None or value.const_value is None or value.const_value.dtype != ir.DataType.FLOAT:
            continue
        if value.is_graph_output():
            continue  # its values are wanted as they are
        if index >= _DATA_INPUTS.get(node.op_type, 99):
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


def is_float(value: ir.Value) -> bool:
    """Whether a value holds 32-bit floats, as far as is known; inner values of unknown type follow their producer."""
    if value.dtype is not None:
        return bool(value.dtype == ir.DataType.FLOAT)
    producer = value.producer()
    return producer is None or producer.op_type not in ("Shape", "Size", "NonZero", "ArgMax", "ArgMin", "Cast")
