"""Static shapes of every tensor, by inference from the input shapes."""

from __future__ import annotations

from onnx_ir.passes.common import ShapeInferencePass

from edgewright.graph.model import Model

Shape = tuple[int, ...]


def static_shapes(model: Model) -> dict[str, Shape]:
    """Shape of every tensor whose dimensions are all known, initialisers included.

    Shapes written in the file are not believed: exporters leave stale ones behind.
    """
    changed = model.clone()
    for node in changed.graph:
        for value in node.outputs:
            value.shape = None
    graph = ShapeInferencePass()(changed).model.graph  # a clone, because the pass may rewrite what it is given
    values = [*graph.inputs, *graph.initializers.values(), *(value for node in graph for value in node.outputs)]
    shapes: dict[str, Shape] = {}
    for value in values:
        if value.shape is not None and all(isinstance(size, int) for size in value.shape):
            shapes[value.name or ""] = tuple(int(size) for size in value.shape if isinstance(size, int))
    return shapes
