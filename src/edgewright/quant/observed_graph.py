"""The float graph with observers beside its tensors: only what calibration wants leaves the runtime.

Minimum, maximum, sum and sum of squares are reduced inside the graph and joined into one vector. For histograms each
tensor leaves as float16: half the bytes, one vectorised cast, and its 65536 codes can be counted as they are.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir
from onnx_ir.passes.common import ShapeInferencePass

from edgewright.errors import UserError
from edgewright.graph.model import Model

REDUCTIONS = ("ReduceMin", "ReduceMax", "ReduceSum", "ReduceSumSquare")
_FLOATS = {ir.DataType.FLOAT, ir.DataType.FLOAT16, ir.DataType.DOUBLE, ir.DataType.BFLOAT16}


@dataclass(frozen=True)
class ObservedGraph:
    """A graph whose outputs are observations.

    Attributes:
        data: serialised ONNX model.
        reduced: tensors in the statistics vector, four numbers each in the order of `REDUCTIONS`.
        vector: name of the output that holds the vector; empty when `reduced` is.
        codes: float16 output of each of `reduced`, by tensor; empty without histograms.
        raw: float32 output of each tensor that leaves whole, by tensor.
    """

    data: bytes
    reduced: tuple[str, ...]
    vector: str
    codes: dict[str, str]
    raw: dict[str, str]


def tensor_elements(model: Model, tensors: Sequence[str]) -> dict[str, int | None]:
    """Number of elements of each tensor, by inference from the input shapes; None where it cannot be told.

    Shapes written in the file are not believed: exporters leave stale ones behind.

    Raises:
        UserError: a name is unknown, or its tensor does not hold floats.
    """
    graph_model = model.clone()
    for node in graph_model.graph:
        for value in node.outputs:
            value.shape = None
    # clone, because the pass may rewrite what it is given
    inferred = ShapeInferencePass()(graph_model).model
    values = _values(inferred.graph)
    written = _values(model.ir.graph)
    for name in tensors:
        _check_tensor(name, values.get(name), written)
    return {name: _elements(values[name]) for name in dict.fromkeys(tensors)}


def observe(model: Model, reduced: Sequence[str], raw: Sequence[str], *, histogram: bool) -> ObservedGraph:
    """The model with observers as its only outputs.

    Args:
        model: the float graph; it stays as it is.
        reduced: tensors to reduce in the graph; each must have elements.
        raw: tensors to hand out whole, as float32.
        histogram: hand out float16 codes of `reduced` too.
    """
    changed = model.clone()
    graph = changed.graph
    values = _values(graph)
    prefix = "edgewright_observed"
    while any(name.startswith(prefix) for name in (*values, *graph.initializers)):
        prefix += "_"
    builder = _Builder(graph, prefix)
    del graph.outputs[:]
    codes = {}
    for name in reduced:
        flat = builder.reduce(values[name])
        if histogram:
            codes[name] = builder.output("Cast", flat, to=ir.DataType.FLOAT16)
    vector = builder.join() if reduced else ""
    handed = {name: builder.output("Cast", values[name], to=ir.DataType.FLOAT) for name in raw}
    data = ir.to_proto(changed).SerializeToString(deterministic=True)
    return ObservedGraph(bytes(data), tuple(reduced), vector, codes, handed)


class _Builder:
    """Appends observer nodes to a graph."""

    def __init__(self, graph: ir.Graph, prefix: str) -> None:
        self._graph = graph
        self._prefix = prefix
        self._made = 0
        self._numbers: list[ir.Value] = []
        flat = ir.Value(name=f"{prefix}_flat", const_value=ir.tensor(np.array([-1], np.int64), name=f"{prefix}_flat"))
        graph.register_initializer(flat)
        self._flat = flat

    def reduce(self, value: ir.Value) -> ir.Value:
        """Reduce `value` four ways; returns it as a flat float32 vector."""
        if value.dtype is not ir.DataType.FLOAT:  # not known counts too: a Cast that changes nothing is optimised away
            value = self._node("Cast", [value], ir.DataType.FLOAT, to=ir.DataType.FLOAT)
        flat = self._node("Reshape", [value, self._flat], ir.DataType.FLOAT)
        # No axes means all of them in every opset. The four stand together in the joined vector, for ONNX Runtime runs
        # them in that order, and then the tensor is read from cache three times out of four.
        self._numbers += [self._node(kind, [flat], ir.DataType.FLOAT, keepdims=1) for kind in REDUCTIONS]
        return flat

    def join(self) -> str:
        """Make all reductions one output; returns its name."""
        value = self._node("Concat", self._numbers, ir.DataType.FLOAT, axis=0)
        self._graph.outputs.append(value)
        return value.name or ""

    def output(self, kind: str, value: ir.Value, to: ir.DataType) -> str:
        """Make `kind`(value) an output; returns its name."""
        made = self._node(kind, [value], to, to=to)
        self._graph.outputs.append(made)
        return made.name or ""

    def _node(self, kind: str, inputs: Sequence[ir.Value], dtype: ir.DataType, **attributes: int) -> ir.Value:
        self._made += 1
        output = ir.Value(name=f"{self._prefix}_{self._made}", type=ir.TensorType(dtype))
        written = [ir.AttrInt64(name, int(number)) for name, number in attributes.items()]
        self._graph.append(ir.Node("", kind, inputs, written, outputs=[output], name=output.name))
        return output


def _values(graph: ir.Graph) -> dict[str, ir.Value]:
    """Inputs and node outputs of the top level, by name."""
    fed = [value for value in graph.inputs if value.name not in graph.initializers]
    made = [value for node in graph for value in node.outputs]
    return {value.name: value for value in (*fed, *made) if value.name}


def _check_tensor(name: str, value: ir.Value | None, known: dict[str, ir.Value]) -> None:
    if value is None or name not in known:
        near = difflib.get_close_matches(name, known, n=3, cutoff=0.4)
        hint = f"did you mean {' or '.join(near)}?" if near else "`edgewright inspect` lists the tensors"
        raise UserError(f"the model has no tensor {name!r} to observe", todo=hint)
    dtype = value.dtype or known[name].dtype
    if dtype is not None and dtype not in _FLOATS:
        raise UserError(
            f"tensor {name!r} holds {dtype.name.lower()}, and only floating-point tensors have a range to calibrate",
            todo="leave it out: integer and boolean tensors are exact on every target",
        )


def _elements(value: ir.Value) -> int | None:
    if value.shape is None or not all(isinstance(size, int) for size in value.shape):
        return None
    return math.prod(int(size) for size in value.shape if isinstance(size, int))
