"""Which tensors a target computes through without a grid, and which inputs of an op carry activations."""

from __future__ import annotations

from collections.abc import Mapping

import onnx_ir as ir

from edgewright.quant.plan import Precision
from edgewright.quant.profile import FusionProfile

DATA_INPUTS = dict.fromkeys(("Clip", "Gather", "Pad", "Reshape", "Resize", "Slice", "Split", "Squeeze", "Unsqueeze"), 1)
"""Number of inputs that carry data, for ops whose other inputs are shapes, sizes or indices."""


def absorbed(value: ir.Value, profile: FusionProfile, precisions: Mapping[str, Precision]) -> bool:
    """Whether the only reader of a Conv's output is an activation that the target computes together with it."""
    producer = value.producer()
    readers = [usage.node for usage in value.uses()]
    if producer is None or value.is_graph_output():
        return False
    if profile.fuse_silu and producer.op_type == "Sigmoid" and producer.inputs[0] is not None:
        return len(readers) == 1 and absorbed(producer.inputs[0], profile, precisions)
    quantised = all(precisions.get(node.name or "", "float") != "float" for node in readers)
    if profile.fuse_residual and _joins_residual(value, producer, readers, profile):
        return quantised
    if producer.op_type not in profile.weight_ops:
        return False
    if profile.fuse_silu and _is_silu(readers):
        return quantised and (profile.depthwise_activations is None or _is_full_conv(producer))
    depthwise = profile.depthwise_activations is not None and _is_depthwise(producer)
    allowed = profile.depthwise_activations if depthwise else profile.fused_activations
    return len(readers) == 1 and readers[0].op_type in (allowed or ()) and quantised


def _joins_residual(value: ir.Value, producer: ir.Node, readers: list[ir.Node], profile: FusionProfile) -> bool:
    """A Conv's output that only an Add reads (of two such, the first), or that Add's output before an activation."""
    if len(readers) != 1:
        return False
    if producer.op_type == "Add" and readers[0].op_type in profile.fused_activations:
        return _residual_input(producer) is not None
    return readers[0].op_type == "Add" and _residual_input(readers[0]) is value


def _residual_input(add: ir.Node) -> ir.Value | None:
    ready = []
    for value in add.inputs:
        producer = value.producer() if value is not None else None
        if value is None or producer is None or value.is_graph_output():
            continue
        if _is_full_conv(producer) and len(list(value.uses())) == 1:
            ready.append((list(add.graph or ()).index(producer) if add.graph is not None else 0, value))
    return min(ready, key=lambda entry: entry[0])[1] if ready and len(add.inputs) == 2 else None


def _is_full_conv(node: ir.Node) -> bool:
    return node.op_type == "Conv" and node.attributes.get_int("group", 1) == 1


def _is_depthwise(node: ir.Node) -> bool:
    return node.op_type == "Conv" and node.attributes.get_int("group", 1) > 1


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
        if value is None or value.const_value is not None or index >= DATA_INPUTS.get(node.op_type, 99):
            continue
        if is_float(value):
            found.append(value)
    return found


def is_float(value: ir.Value) -> bool:
    """Whether a value holds 32-bit floats, as far as is known; inner values of unknown type follow their producer."""
    if value.dtype is not None:
        return bool(value.dtype == ir.DataType.FLOAT)
    producer = value.producer()
    return producer is None or producer.op_type not in ("Shape", "Size", "NonZero", "ArgMax", "ArgMin", "Cast")
