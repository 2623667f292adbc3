"""A Conv over a join of unlike ranges becomes one Conv for each range and a sum, so that each keeps a grid of its own.

A Conv sums over its input channels: Conv(Concat(a, b), W) = Conv(a, Wa) + Conv(b, Wb), Wa and Wb being the columns of W
that read a and b.
"""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from edgewright.graph.model import Model
from edgewright.graph.rewrites.base import REWRITES, RewriteContext, Rewritten
from edgewright.graph.rewrites.editor import Editor, float_constant, readers, static_shape
from edgewright.graph.rewrites.joins import RATIO, Ranges, magnitude, unlike

_Group = list[int]  # of operands of the Concat, by place


class SplitJoins:
    """See `Rewrite`."""

    name = "split-joins"
    requires = "a Concat of unlike ranges along the channels, read by nothing but Convs without groups"
    ensures = "tensors of unlike ranges are not joined on one grid; each has a Conv of its own"
    cost = "one more Conv and one Add for each range; the same number of MACs"

    def apply(self, model: Model, context: RewriteContext) -> Rewritten | None:
        """Split every join that qualifies."""
        editor = Editor(model)
        found: dict[str, list[list[str]]] = {}
        for node in list(editor.graph):
            groups = _groups(node, context.ranges)
            if not groups:
                continue
            found[node.name or ""] = [[node.inputs[place].name or "" for place in group] for group in groups]  # type: ignore[union-attr]  # a Concat has no missing operand
            parts = _parts(editor, node, groups)
            for conv in readers(node.outputs[0]):
                _split(editor, conv, node, groups, parts)
        if not found:
            return None
        joins = "; ".join(
            f"{name} ({' | '.join(', '.join(group) for group in groups)})" for name, groups in found.items()
        )
        facts = {
            "rewrite": self.name,
            "text": f"The Conv behind a join was split so that unlike ranges are not joined: {joins}.",
            "tensors": {},
            "joins": found,
        }
        return Rewritten(editor.model(), None, facts)


def _groups(node: ir.Node, ranges: Ranges) -> list[_Group]:
    """Operands of like range, largest first; empty where the node does not qualify."""
    output = node.outputs[0]
    if node.op_type != "Concat" or output.is_graph_output() or len(_channels(node)) != len(node.inputs):
        return []
    convs = readers(output)
    rank = len(output.shape) if output.shape is not None else 0
    axis = node.attributes.get_int("axis", 0)
    if not convs or rank < 3 or axis % rank != 1 or not all(_splits(conv, output) for conv in convs):
        return []
    sizes = [magnitude(value, ranges) if value is not None else None for value in node.inputs]
    if not unlike(sizes) or any(size is None for size in sizes):
        return []
    return _clusters([size or 0.0 for size in sizes])


def _clusters(sizes: list[float]) -> list[_Group]:
    """Places by size: a group ends where the next size is too small for the largest of the group."""
    order = sorted(range(len(sizes)), key=lambda place: -sizes[place])
    groups: list[_Group] = [[order[0]]]
    for place in order[1:]:
        if sizes[place] and sizes[groups[-1][0]] >= RATIO * sizes[place]:
            groups.append([place])
        else:
            groups[-1].append(place)
    return [sorted(group) for group in groups]


def _channels(node: ir.Node) -> list[int]:
    """Channels of each operand; shorter than the operands where one is not known."""
    shapes = [static_shape(value) for value in node.inputs if value is not None]
    return [shape[1] for shape in shapes if shape is not None and len(shape) > 1]


def _splits(conv: ir.Node, value: ir.Value) -> bool:
    """Whether a reader is a Conv over all channels, with constants, that reads the join as its data."""
    if conv.op_type != "Conv" or conv.graph is not value.graph or conv.inputs[0] is not value:
        return False
    return conv.attributes.get_int("group", 1) == 1 and float_constant(conv.inputs[1]) is not None


def _parts(editor: Editor, join: ir.Node, groups: list[_Group]) -> list[ir.Value]:
    """What each group reads: the operand, or a smaller join."""
    parts: list[ir.Value] = []
    for number, group in enumerate(groups, start=1):
        operands = [value for place in group if (value := join.inputs[place]) is not None]
        if len(operands) == 1:
            parts.append(operands[0])
            continue
        axis = join.attributes.get_int("axis", 0)
        first, output = operands[0], join.outputs[0]
        shape = [*(output.shape or ())]
        shape[1] = sum(_channels(join)[place] for place in group)
        part = ir.Value(
            name=editor.fresh(f"{output.name}_part_{number}"), shape=ir.Shape(shape), type=output.type or first.type
        )
        editor.add("Concat", f"{join.name}_part_{number}", operands, part, join, axis=axis)
        parts.append(part)
    return parts


def _split(editor: Editor, conv: ir.Node, join: ir.Node, groups: list[_Group], parts: list[ir.Value]) -> None:
    """Replace a Conv; the sum takes over its output, and the first Conv its name and its bias."""
    weight = float_constant(conv.inputs[1])
    if weight is None:
        raise AssertionError(f"{conv.name} was found to have a constant weight")
    starts = np.cumsum([0, *_channels(join)])
    result, output, last = None, conv.outputs[0], conv
    for number, (group, part) in enumerate(zip(groups, parts, strict=True), start=1):
        columns = np.concatenate([np.arange(starts[place], starts[place + 1]) for place in group])
        suffix = f"_part_{number}"
        constant = editor.constant(f"{conv.inputs[1].name}{suffix}", weight[:, columns])  # type: ignore[union-attr]
        bias = list(conv.inputs[2:3]) if number == 1 else []
        made = ir.node(
            "Conv",
            [part, constant, *bias],
            dict(conv.attributes),
            outputs=[editor.output_like(output, suffix)],
            name=editor.fresh(f"{conv.name}{suffix}"),
        )
        last.append(made)
        last = made
        if result is None:
            editor.stand_in(made, conv)
            result = made.outputs[0]
            continue
        total = editor.output_like(output, f"_sum_{number}")
        last = editor.add("Add", f"{conv.name}_sum_{number}", [result, made.outputs[0]], total, last)
        result = total
    _take_over(editor, conv, result)


def _take_over(editor: Editor, conv: ir.Node, result: ir.Value | None) -> None:
    """Everybody who read the Conv reads the sum, under the old name."""
    output = conv.outputs[0]
    if result is None:
        return
    for usage in tuple(output.uses()):
        usage.node.replace_input_with(usage.idx, result)
    for index, value in enumerate(list(editor.graph.outputs)):
        if value is output:
            editor.graph.outputs[index] = result
    output.name, result.name = f"{output.name}_unsplit", output.name


REWRITES.add(SplitJoins.name, SplitJoins())
