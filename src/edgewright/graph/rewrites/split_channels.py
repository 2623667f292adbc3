"""Output channels whose weights are of unlike size become Convs of their own, each with a step that fits it.

One grid for what a layer makes leaves channels with small weights, which make small values, a few codes or none; a chip
that has one step for all weights of a layer does the same to the weights. Channels of a Conv do not depend on each
other, nor do those of an activation or of a depthwise Conv behind it: so they are computed in groups as far as that
goes, and joined where a Conv reads all of them, which then has the columns of its weights in the order of the join.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from edgewright.findings import listed
from edgewright.graph.model import Model
from edgewright.graph.rewrites.base import REWRITES, RewriteContext, Rewritten
from edgewright.graph.rewrites.channel_groups import channel_groups, lost_bits, mean_loss
from edgewright.graph.rewrites.editor import Editor, float_constant, readers, static_shape

_MOST = 4
"""Groups of a layer: each is a start of the chip's units and a copy into the join."""
_WORTH = 8.0
"""Mean loss of one group from which a layer is worth it: one and a half bits of every channel."""
_ALONE = frozenset({"HardSigmoid", "HardSwish", "LeakyRelu", "Relu", "Sigmoid", "Tanh"})
_GATES = frozenset({"HardSigmoid", "Sigmoid"})

Groups = Sequence[NDArray[np.int64]]


@dataclass
class _Layer:
    """A Conv, what is computed of each of its channels alone, and what reads that.

    Attributes:
        conv: the Conv.
        between: activation behind it, in order.
        output: what the readers below read.
        dense: Convs over all channels.
        depthwise: layers that take each channel for itself.
    """

    conv: ir.Node
    between: list[ir.Node]
    output: ir.Value
    dense: list[ir.Node] = field(default_factory=list)
    depthwise: list[_Layer] = field(default_factory=list)

    @property
    def layers(self) -> list[_Layer]:
        """This one and all below it."""
        return [self, *(layer for child in self.depthwise for layer in child.layers)]


class SplitChannels:
    """See `Rewrite`."""

    name = "split-channels"
    requires = "a Conv with weights of unlike size in its output channels, read by activations and Convs alone"
    ensures = "channels with small weights, and what they make, have a step of their own"
    cost = "up to four Convs in place of one, and a join; the same number of MACs"

    def apply(self, model: Model, context: RewriteContext) -> Rewritten | None:
        """Split every Conv that qualifies, or those that the context names."""
        editor = Editor(model)
        found: dict[str, list[int]] = {}
        for node in list(editor.graph):
            chosen = context.convs is None or (node.name or "") in context.convs
            layer = _layer(node) if _is_dense(node) and chosen else None
            groups = _groups(layer) if layer is not None else []
            if layer is None or len(groups) < 2:
                continue
            for each in layer.layers:
                found[each.conv.name or ""] = [len(group) for group in groups]
            _split(editor, layer, groups, [layer.conv.inputs[0]] * len(groups))
        if not found:
            return None
        layers = [f"{name} ({' + '.join(map(str, sizes))})" for name, sizes in found.items()]
        text = (
            f"The channels of {len(found)} Convs with weights of unlike size are computed in groups: {listed(layers)}."
        )
        return Rewritten(
            editor.model(), None, {"rewrite": self.name, "text": text, "tensors": {}, "layers": dict(found)}
        )


def uneven_layers(model: Model) -> dict[str, tuple[str, ...]]:
    """Convs that the rewrite would split, with the tensors whose channels it would compute apart."""
    layers = [layer for node in Editor(model).graph if _is_dense(node) and (layer := _layer(node)) is not None]
    return {
        layer.conv.name or "": tuple(
            node.outputs[0].name or "" for each in layer.layers for node in (each.conv, *each.between)
        )
        for layer in layers
        if len(_groups(layer)) > 1
    }


def _is_dense(node: ir.Node) -> bool:
    return node.op_type == "Conv" and node.attributes.get_int("group", 1) == 1 and _weight(node) is not None


def _is_depthwise(node: ir.Node) -> bool:
    weight = _weight(node)
    group = node.attributes.get_int("group", 1)
    return node.op_type == "Conv" and weight is not None and group > 1 and weight.shape[:2] == (group, 1)


def _weight(node: ir.Node) -> NDArray[np.float32] | None:
    """Weights of a Conv whose bias, if it has one, is a constant as well."""
    bias = node.inputs[2] if len(node.inputs) > 2 else None
    if len(node.inputs) < 2 or (bias is not None and float_constant(bias) is None):
        return None
    return float_constant(node.inputs[1])


def _layer(conv: ir.Node) -> _Layer | None:
    """The layer of a Conv with all below it; None where something reads it that must have all channels in order."""
    between = _activation(conv.outputs[0])
    output = between[-1].outputs[0] if between else conv.outputs[0]
    made = _Layer(conv, between, output)
    values = [conv.outputs[0], *(node.outputs[0] for node in between)]
    if any(value.is_graph_output() for value in values) or static_shape(output) is None:
        return None
    for reader in dict.fromkeys(readers(output)):
        if reader.graph is not conv.graph or reader.inputs[0] is not output or output in list(reader.inputs[1:]):
            return None
        below = _layer(reader) if _is_depthwise(reader) else None
        if below is not None:
            made.depthwise.append(below)
        elif _is_dense(reader):
            made.dense.append(reader)
        else:
            return None
    return made if made.dense or made.depthwise else None


def _activation(value: ir.Value) -> list[ir.Node]:
    """Nodes of the activation that reads a value, in order; empty where none does."""
    found = list(dict.fromkeys(readers(value)))
    if len(found) == 1 and found[0].op_type in _ALONE and len(found[0].inputs) == 1:
        return found
    gates = [node for node in found if node.op_type in _GATES]
    if len(found) != 2 or len(gates) != 1:
        return []
    gate, product = gates[0], next(node for node in found if node is not gates[0])
    inputs = list(product.inputs)
    alone = readers(gate.outputs[0]) == [product] and not gate.outputs[0].is_graph_output()
    both = len(inputs) == 2 and value in inputs and gate.outputs[0] in inputs
    return [gate, product] if product.op_type == "Mul" and both and alone else []


def _groups(layer: _Layer) -> list[NDArray[np.int64]]:
    """Groups of channels, where it is worth having several."""
    weights = [_weight(each.conv) for each in layer.layers]
    sizes = [np.abs(weight).reshape(len(weight), -1).max(axis=1) for weight in weights if weight is not None]
    bits = lost_bits(np.stack(sizes, axis=1).astype(np.float64))
    everything = np.arange(len(bits))
    return channel_groups(bits, _MOST) if mean_loss(bits, [everything]) >= _WORTH else [everything]


def _split(editor: Editor, layer: _Layer, groups: Groups, sources: Sequence[ir.Value | None]) -> None:
    """Compute a layer, and all below it, in groups of channels; `sources`: what each group reads."""
    parts = [
        _part(editor, layer, group, source, f"_channels_{number}")
        for number, (group, source) in enumerate(zip(groups, sources, strict=True), start=1)
    ]
    for below in layer.depthwise:
        _split(editor, below, groups, parts)
    if not layer.dense:
        return
    output = layer.output
    joined = editor.output_like(output, "_grouped")
    editor.add("Concat", f"{layer.conv.name}_join", parts, joined, parts[-1].producer(), axis=1)
    order = np.concatenate(list(groups))
    for reader in layer.dense:
        weight = float_constant(reader.inputs[1])
        assert weight is not None  # noqa: S101 - `_is_dense` has looked
        editor.replace_constant(reader, 1, weight[:, order], "_ordered")
        reader.replace_input_with(0, joined)


def _part(editor: Editor, layer: _Layer, group: NDArray[np.int64], source: ir.Value | None, suffix: str) -> ir.Value:
    """One group of a layer; returns what its readers read."""
    conv = layer.conv
    constants = [
        editor.constant(f"{value.name}{suffix}", array[group])
        for value in conv.inputs[1:3]
        if value is not None and (array := float_constant(value)) is not None
    ]
    attributes = dict(conv.attributes)
    if conv.attributes.get_int("group", 1) > 1:
        attributes["group"] = ir.AttrInt64("group", len(group))
    made: dict[ir.Value, ir.Value] = {}
    for node in (conv, *layer.between):
        inputs = [source, *constants] if node is conv else [made[value] for value in node.inputs if value is not None]
        result = editor.output_like(node.outputs[0], suffix)
        result.shape = _narrowed(node.outputs[0], len(group))
        name = editor.fresh(f"{node.name}{suffix}")
        copied = ir.node(
            node.op_type, inputs, attributes if node is conv else dict(node.attributes), outputs=[result], name=name
        )
        layer.conv.append(copied) if node is conv else made[node.inputs[0]].producer().append(copied)  # type: ignore[index, union-attr]
        made[node.outputs[0]] = result
    return made[layer.output]


def _narrowed(value: ir.Value, channels: int) -> ir.Shape:
    """The shape of a value with so many channels."""
    shape = static_shape(value)
    assert shape is not None  # noqa: S101 - `_layer` has looked
    return ir.Shape([shape[0], channels, *shape[2:]])


REWRITES.add(SplitChannels.name, SplitChannels())
