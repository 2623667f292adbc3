"""Shapes of the values inside a graph, inferred once when the exporter left them out."""

from __future__ import annotations

import functools

import onnx
import onnx_ir as ir

from edgewright.graph.model import Model

Shape = tuple[int | None, ...]


class ShapeTable:
    """Static shapes of values, by value; inference runs at most once, and only if a shape is missing."""

    def __init__(self, model: Model) -> None:
        self._model = model

    def shape(self, value: ir.Value) -> Shape | None:
        """Shape of `value`; None where even the rank is unknown."""
        if value.shape is not None:
            return tuple(n if isinstance(n, int) else None for n in value.shape)
        constant = value.const_value
        if constant is not None:
            return tuple(int(n) for n in constant.shape.numpy())
        return self._inferred.get(value.name or "")

    def rank(self, value: ir.Value) -> int | None:
        """Number of dimensions."""
        shape = self.shape(value)
        return None if shape is None else len(shape)

    def size(self, value: ir.Value, axis: int) -> int | None:
        """Entries along `axis`."""
        shape = self.shape(value)
        return shape[axis] if shape is not None and axis < len(shape) else None

    def kept_axis(self, before: ir.Value, after: ir.Value, axis: int, size: int) -> int | None:
        """The axis of `before` that a reshape carries to `axis` of `after` unchanged; None when it mixes axes.

        An axis is kept if all that is to its left, or all that is to its right, is the same on both sides. Where the
        shape of `after` is computed in the graph, the axis of the same size is taken for it; among several, the one in
        the same place.
        """
        old, new = self.shape(before), self.shape(after)
        if old is None:
            return None
        if new is None:
            if old.count(size) > 1:
                return axis if axis < len(old) and old[axis] == size else None
            return old.index(size) if size in old else None
        if axis < len(old) and None not in new[: axis + 1] and old[: axis + 1] == new[: axis + 1]:
            return axis
        tail = len(new) - axis
        if len(old) >= tail and None not in new[axis:] and old[-tail:] == new[-tail:]:
            return len(old) - tail
        return None

    def start_of(self, node: ir.Node, value: ir.Value, axis: int) -> int | None:
        """First channel that a Split or Slice takes along `axis` for its output `value`; None when it is not known."""
        if node.op_type == "Split":
            along = int(node.attributes["axis"].value) if "axis" in node.attributes else 0
            if along % (self.rank(value) or 1) != axis:
                return 0
            before = [self.size(entry, axis) for entry in node.outputs[: node.outputs.index(value)]]
            return None if None in before else sum(size for size in before if size is not None)
        return self._slice_start(node, axis)

    def _slice_start(self, node: ir.Node, axis: int) -> int | None:
        starts, axes, steps = (self._operand(node, name, place) for name, place in _SLICE_OPERANDS)
        if starts is None or (steps is not None and set(steps) != {1}):
            return None
        source = node.inputs[0]
        total = None if source is None else self.size(source, axis)
        rank = None if source is None else self.rank(source)
        if total is None or rank is None:
            return None
        for along, start in zip(axes if axes is not None else range(len(starts)), starts, strict=False):
            if along % rank == axis:
                return min(start, total) if start >= 0 else max(total + start, 0)
        return 0

    @staticmethod
    def _operand(node: ir.Node, attribute: str, place: int) -> tuple[int, ...] | None:
        """An integer list given as attribute (opset 9) or as constant input (opset 10 and later)."""
        if attribute in node.attributes:
            return tuple(node.attributes[attribute].value)
        value = node.inputs[place] if place < len(node.inputs) else None
        tensor = None if value is None else ir.convenience.get_const_tensor(value)
        return None if tensor is None else tuple(int(n) for n in tensor.numpy().reshape(-1))

    @functools.cached_property
    def _inferred(self) -> dict[str, Shape]:
        try:
            graph = onnx.shape_inference.infer_shapes(onnx.ModelProto.FromString(self._model.data)).graph
        except (onnx.shape_inference.InferenceError, ValueError):  # an op that onnx does not know, or over 2 GiB
            return {}
        return {
            info.name: tuple(d.dim_value if d.HasField("dim_value") else None for d in info.type.tensor_type.shape.dim)
            for info in graph.value_info
            if info.type.tensor_type.HasField("shape")
        }


_SLICE_OPERANDS = (("starts", 1), ("axes", 3), ("steps", 4))
