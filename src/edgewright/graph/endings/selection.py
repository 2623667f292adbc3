"""Where a graph chooses detections by itself, by NMS or by the best of all queries, and the tensors it chooses from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import onnx_ir as ir
from onnx_ir.passes.common import RemoveUnusedNodesPass, ShapeInferencePass

from edgewright.graph.model import Model
from edgewright.graph.rewrites.extract import depends_on_inputs

_AROUND = frozenset({"Identity", "Cast", "Reshape", "Flatten", "Squeeze", "Unsqueeze"})
_FROM_CENTRE = frozenset({"Mul", "Add", "Sub", "Concat", "Slice", "Split", *_AROUND})
_GATHERS = frozenset({"Gather", "GatherND", "GatherElements"})


@dataclass(frozen=True)
class Cut:
    """A model that ends where its selection began.

    Attributes:
        model: its outputs are boxes and scores, then the outputs of the whole that have no part in the selection.
        by: "nms", whose boxes are corners in pixels, or "topk", whose boxes are centre and size relative to the input.
        boxes, scores: names of the outputs.
        dropped: names of outputs that fell away.
    """

    model: Model
    by: Literal["nms", "topk"]
    boxes: str
    scores: str
    dropped: tuple[str, ...]


def cut_selection(model: Model) -> Cut | None:
    """Cut the model before the selection that it ends in; None where it ends in none, or the graph does not show it."""
    graph = model.ir.graph
    computed = depends_on_inputs(graph)
    suppressions = [node for node in graph if node.op_type == "NonMaxSuppression"]
    if suppressions:
        if len(suppressions) > 1:
            return None
        boxes, scores = suppressions[0].inputs[:2]
        if boxes not in computed or scores not in computed or boxes is None or scores is None:
            return None
        return _cut(model, "nms", boxes, scores, [suppressions[0]])
    for output in graph.outputs:
        found = _best_of_queries(output)
        if found is not None:
            return _cut(model, "topk", *found)
    return None


def holds_selection(model: Model) -> bool:
    """Whether the graph suppresses boxes anywhere."""
    return any(node.op_type == "NonMaxSuppression" for node in model.ir.graph.all_nodes())


def _cut(
    model: Model, by: Literal["nms", "topk"], boxes: ir.Value, scores: ir.Value, starts: list[ir.Node]
) -> Cut | None:
    behind = _reached(model.ir.graph, starts)
    computed = depends_on_inputs(model.ir.graph)
    outputs = list(model.ir.graph.outputs)
    # how many rows there are depends on no input where a TopK gives as many each time
    dropped = [value for value in outputs if value in behind or value not in computed or _is_count(value)]
    kept = [value.name or "" for value in outputs if value not in dropped]
    if not any(value in behind for value in dropped):
        return None
    changed = model.clone()
    values = {value.name: value for node in changed.graph for value in node.outputs}
    names = [boxes.name or "", scores.name or "", *kept]
    changed.graph.outputs.clear()
    for name in dict.fromkeys(names):
        value = values[name]
        if value.dtype is None:
            value.dtype = ir.DataType.FLOAT
        changed.graph.outputs.append(value)
    swept = RemoveUnusedNodesPass()(changed).model
    ended = Model(ShapeInferencePass()(swept).model, model.path)  # tensors inside often have no shape written down
    return Cut(ended, by, names[0], names[1], tuple(value.name or "" for value in dropped))


def _reached(graph: ir.Graph, starts: list[ir.Node]) -> set[ir.Value]:
    found = {value for node in starts for value in node.outputs}
    for node in graph:  # in topological order
        if any(value in found for value in node.inputs):
            found.update(node.outputs)
    return found


def _is_count(value: ir.Value) -> bool:
    """Whether an output counts rows: one whole number an image."""
    return value.dtype in (ir.DataType.INT32, ir.DataType.INT64) and (value.shape is None or len(value.shape) <= 1)


def _best_of_queries(output: ir.Value) -> tuple[ir.Value, ir.Value, list[ir.Node]] | None:
    """Boxes, scores and TopK of rows (class, score, box), where a TopK over all scores chose them."""
    joined = _through(output, _AROUND)
    node = joined.producer()
    if node is None or node.op_type != "Concat" or len(node.inputs) != 3 or any(v is None for v in node.inputs):
        return None
    _, score, box = (_through(value, _AROUND) for value in node.inputs if value is not None)
    chosen, gathered = score.producer(), box.producer()
    if chosen is None or gathered is None or chosen.op_type != "TopK" or gathered.op_type not in _GATHERS:
        return None
    given, table = chosen.inputs[0], gathered.inputs[0]
    if given is None or table is None:
        return None
    scores, boxes = _through(given, _AROUND), _one_source(table)
    made = None if boxes is None else boxes.producer()
    activated = scores.producer()
    if boxes is None or made is None or made.op_type != "Sigmoid":
        return None
    return (boxes, scores, [chosen, gathered]) if activated is not None and activated.op_type == "Sigmoid" else None


def _through(value: ir.Value, ops: frozenset[str]) -> ir.Value:
    while (node := value.producer()) is not None and node.op_type in ops and node.inputs[0] is not None:
        value = node.inputs[0]
    return value


def _one_source(value: ir.Value) -> ir.Value | None:
    """The one sigmoid that boxes were computed from, by arithmetic that turns centre and size into corners."""
    stack, found, seen = [value], set(), {value}
    while stack:
        entry = stack.pop()
        node = entry.producer()
        if node is None:
            continue  # an input or a constant: the size of the image
        if node.op_type == "Sigmoid":
            found.add(entry)
        elif node.op_type in _FROM_CENTRE or node.op_type == "Tile":
            moves = node.op_type in _AROUND or node.op_type in ("Slice", "Split", "Tile")
            new = [v for v in (node.inputs[:1] if moves else node.inputs) if v is not None and v not in seen]
            seen.update(new)
            stack += new
    return found.pop() if len(found) == 1 else None
