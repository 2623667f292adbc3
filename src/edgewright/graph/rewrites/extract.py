"""Cutting a graph in two: what stays on the chip, and what runs on the host behind it."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import onnx_ir as ir

from edgewright.graph.model import Model
from edgewright.graph.rewrites.editor import Editor, all_inputs


def move_to_host(model: Model, moved: Collection[str], entries: Sequence[str]) -> tuple[Model, Model] | None:
    """Replace outputs by the tensors that they are computed from.

    Args:
        model: the whole.
        moved: names of outputs that the host computes; the others stay.
        entries: names of tensors from which these can be computed. They become outputs, in the place of the first
            output that is moved; a tensor that is an output already stays one.

    Returns:
        The model that ends at the entries, and the one that computes the old outputs from its outputs; None when the
        moved outputs need a graph input that is no entry.
    """
    old = [spec.name for spec in model.outputs]
    new: list[str] = []
    for name in old:
        new += [entry for entry in (entries if name in moved else [name]) if entry not in new]
    if not new or new == old:
        return None
    restore = extract(model, new, old)
    if restore is None:
        return None
    return with_outputs(model, new), restore


def with_outputs(model: Model, names: Sequence[str]) -> Model:
    """The model with these tensors as its outputs, in order, and nothing behind them."""
    editor = Editor(model)
    _set_outputs(editor.graph, [editor.values[name] for name in names])
    return editor.model()


def extract(model: Model, inputs: Sequence[str], outputs: Sequence[str]) -> Model | None:
    """The piece of a graph that computes some tensors from others.

    Args:
        inputs: names of tensors or constants; they become the inputs, in order.
        outputs: names of tensors; one that is an input too is passed through.

    Returns:
        None when the outputs depend on a graph input that is not among `inputs`.
    """
    editor = Editor(model)
    graph = editor.graph
    fed = {name: _as_input(editor.values[name]) for name in inputs}
    ends = [fed.get(name, editor.values[name]) for name in outputs]
    for name, value in fed.items():
        for usage in tuple(editor.values[name].uses()):
            usage.node.replace_input_with(usage.idx, value)
        graph.initializers.pop(name, None)
    original = [value for value in graph.inputs if (value.name or "") not in graph.initializers]
    _set_outputs(graph, ends)
    graph.inputs.clear()
    graph.inputs.extend(fed.values())
    piece = editor.model()
    used = {value for node in piece.ir.graph.all_nodes() for value in node.inputs}
    return None if used.intersection(original) or set(ends).intersection(original) else piece


def depends_on_inputs(graph: ir.Graph) -> set[ir.Value]:
    """Every value that is a graph input or computed from one: the others are constant."""
    found = {value for value in graph.inputs if value.const_value is None}
    for node in graph:  # in topological order
        if any(value in found for value in all_inputs(node)):
            found.update(node.outputs)
    return found


def _as_input(value: ir.Value) -> ir.Value:
    kind = value.type if value.type is not None else ir.TensorType(ir.DataType.FLOAT)
    return ir.Value(name=value.name, shape=value.shape, type=kind)


def _set_outputs(graph: ir.Graph, values: Sequence[ir.Value]) -> None:
    graph.outputs.clear()
    for value in values:
        if value.type is None:
            value.dtype = ir.DataType.FLOAT
        graph.outputs.append(value)
