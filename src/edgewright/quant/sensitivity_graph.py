"""The graph that measures effects: forward, backward, the errors of all candidates, and their products.

For each part there is one backward pass. Beside each tensor stand its errors on the candidate grids, one row each; two
matrix products with the gradients, one row a part, give all numbers of that tensor at once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from edgewright.errors import UserError
from edgewright.graph.adjoint import Adjoint, Build, differentiate, with_shapes
from edgewright.graph.model import Model
from edgewright.tensors import QUANTISED_DTYPES, Grid, Part

_CHUNK = 1 << 22
"""Values that the errors of one tensor may have at a time: what more candidates need is computed afterwards."""
_LINEAR = {"Conv": (1,), "ConvTranspose": (1,), "Gemm": (0, 1), "MatMul": (0, 1)}
"""Ops, and which of their inputs enter linearly: the error of the output is the op on the error, without bias."""


@dataclass(frozen=True)
class Block:
    """Numbers that stand together in the vector: the projections, then the diagonal sums, each (parts, candidates).

    Attributes:
        tensor: activation or initialiser.
        parts: positions of the parts, of those that the graph was made for, that depend on the tensor.
        candidates: positions of the candidates.
    """

    tensor: str
    parts: tuple[int, ...]
    candidates: tuple[int, ...]

    @property
    def size(self) -> int:
        """Numbers in the vector."""
        return 2 * len(self.parts) * len(self.candidates)


@dataclass(frozen=True)
class EffectGraph:
    """A graph whose outputs are the model's and one vector of numbers.

    Attributes:
        data: serialised ONNX model.
        seeds: input that takes the seed of each part, in the shape of the part's output.
        vector: name of the output that holds the numbers; empty when there are none.
        blocks: what the numbers are, in order.
        unknown: tensors without a figure, for the gradient stops on the way to them.
        stops: nodes where it stops.
    """

    data: bytes
    seeds: tuple[str, ...]
    vector: str
    blocks: tuple[Block, ...]
    unknown: frozenset[str]
    stops: tuple[str, ...]


def effect_graph(
    model: Model,
    parts: Sequence[Part],
    candidates: Mapping[str, Sequence[Grid]],
    errors: Mapping[str, Sequence[NDArray[np.float32]]],
) -> EffectGraph:
    """The measuring graph for `parts`.

    Args:
        model: the float graph, prepared; it stays as it is.
        parts: slices of outputs; one backward pass each. A part may come several times, for several seeds.
        candidates: grids, one for the whole tensor, of activations.
        errors: arrays to add to initialisers, each in the initialiser's shape.

    Raises:
        UserError: an error is named for what is no initialiser, or has another shape.
        ValueError: a grid is per channel.
    """
    changed = with_shapes(model)
    graph = changed.graph
    writer = _Writer(graph, parts)
    for name in sorted({*candidates, *errors}, key=writer.place):
        if name in candidates:
            writer.add_activation(name, candidates[name])
        else:
            writer.add_initialiser(name, errors[name])
    vector = writer.finish()
    # seeds that nothing depends on must be inputs all the same, so that every image is fed alike
    graph.inputs.extend(writer.seeds)
    data = bytes(ir.to_proto(changed).SerializeToString(deterministic=True))
    seeds = tuple(seed.name or "" for seed in writer.seeds)
    return EffectGraph(data, seeds, vector, tuple(writer.blocks), frozenset(writer.unknown), writer.stops)


class _Writer:
    """Appends the backward passes, the errors and the products."""

    def __init__(self, graph: ir.Graph, parts: Sequence[Part]) -> None:
        self._graph = graph
        self._build = Build(graph)
        self._values = {value.name or "": value for value in _activations(graph)}
        self._places = {name: number for number, name in enumerate(self._values)}
        outputs = {value.name or "": value for value in graph.outputs}
        forward = len(graph)
        self.seeds: list[ir.Value] = []
        self._adjoints: list[Adjoint] = []
        for part in parts:
            output = outputs[part.output]
            seed = ir.Value(name=self._build.fresh(), type=ir.TensorType(ir.DataType.FLOAT), shape=output.shape)
            self.seeds.append(seed)
            self._adjoints.append(differentiate(graph, {output: seed}, self._build, first=forward))
        self.blocks: list[Block] = []
        self.unknown: set[str] = set()
        self._numbers: list[ir.Value] = []

    def place(self, tensor: str) -> int:
        """Where a tensor stands in the graph; an initialiser stands with the last node that reads it.

        ONNX Runtime starts with the products that were written last. Those of the last tensors must be they, for the
        gradient comes from there: then each gradient is used and freed at once. In the other order all of them are
        held until the gradient of the input is there.
        """
        value = self._graph.initializers.get(tensor)
        readers = [] if value is None else [usage.node.outputs[0].name or "" for usage in value.uses()]
        return max((self._places.get(name, 0) for name in (tensor, *readers)), default=0)

    @property
    def stops(self) -> tuple[str, ...]:
        """Nodes without a derivative rule, in the graph's order."""
        return tuple(dict.fromkeys(name for adjoint in self._adjoints for name in adjoint.unknown))

    def add_activation(self, name: str, grids: Sequence[Grid]) -> None:
        """Measure the error of an activation on each grid."""
        rows = self._gradients(name)
        if rows is None or not rows:
            return
        value = self._values[name]
        flat = self._build.reshape(value, [1, -1])
        room = max(1, _CHUNK // max(1, _elements(value)))
        for dtype in dict.fromkeys(grid.dtype for grid in grids):
            positions = [number for number, grid in enumerate(grids) if grid.dtype == dtype]
            for start in range(0, len(positions), room):
                chosen = positions[start : start + room]
                found = grid_errors(self._build, flat, [grids[number] for number in chosen])
                self._multiply(name, rows, found, chosen)

    def add_initialiser(self, name: str, arrays: Sequence[NDArray[np.float32]]) -> None:
        """Measure each error of an initialiser, at the output of every op that reads it."""
        value = self._graph.initializers.get(name)
        if value is None or value.const_value is None:
            raise UserError(f"the model has no initialiser {name!r}", todo="`edgewright inspect` lists what there is")
        for array in arrays:
            if array.shape != value.const_value.numpy().shape:
                raise UserError(
                    f"an error of {name!r} must have its shape",
                    why=f"the initialiser has {value.const_value.numpy().shape}, the error {array.shape}",
                )
        for node, index in [(usage.node, usage.idx) for usage in value.uses()]:
            output = node.outputs[0].name or ""
            rows = self._gradients(output, name) if output in self._values else None
            for number, array in enumerate(arrays if rows else ()):
                error = self._build.reshape(self._at_output(node, index, array), [1, -1])
                self._multiply(name, rows or {}, error, [number])

    def finish(self) -> str:
        """Make all numbers one output; returns its name."""
        if not self._numbers:
            return ""
        vector = self._build.node("Concat", *self._numbers, axis=0)
        self._graph.outputs.append(vector)
        return vector.name or ""

    def _gradients(self, value: str, tensor: str = "") -> dict[int, ir.Value] | None:
        """The gradient of each part that depends on the value; None, and noted, where one is not known."""
        if any(value in adjoint.incomplete for adjoint in self._adjoints):
            self.unknown.add(tensor or value)
            return None
        found = ((number, adjoint.gradients.get(value)) for number, adjoint in enumerate(self._adjoints))
        return {number: gradient for number, gradient in found if gradient is not None}

    def _multiply(self, tensor: str, rows: Mapping[int, ir.Value], errors: ir.Value, candidates: Sequence[int]) -> None:
        build = self._build
        flat = [build.reshape(gradient, [1, -1]) for gradient in rows.values()]
        gradients = build.node("Concat", *flat, axis=0) if len(flat) > 1 else flat[0]
        for left, right in (
            (gradients, errors),
            (build.node("Mul", gradients, gradients), build.node("Mul", errors, errors)),
        ):
            self._numbers.append(build.reshape(build.node("Gemm", left, right, transB=1), [-1]))
        self.blocks.append(Block(tensor, tuple(rows), tuple(candidates)))

    def _at_output(self, node: ir.Node, index: int, array: NDArray[np.float32]) -> ir.Value:
        """What an error of an input does to the first output of a node."""
        build, inputs = self._build, list(node.inputs)
        attributes = {name: attribute.value for name, attribute in node.attributes.items()}
        if index in _LINEAR.get(node.op_type, ()):
            inputs[index] = build.constant(array, node.outputs[0])
            return build.node(node.op_type, *inputs[:2], **attributes)
        held = node.inputs[index]
        tensor = None if held is None else held.const_value
        inputs[index] = build.constant((0 if tensor is None else tensor.numpy()) + array, node.outputs[0])
        moved = build.nodes(node.op_type, *inputs, outputs=len(node.outputs), **attributes)[0]
        return build.node("Sub", moved, node.outputs[0])


def grid_errors(build: Build, flat: ir.Value, grids: Sequence[Grid]) -> ir.Value:
    """Q(x) - x for each grid: (grids, values) from a tensor of shape (1, values); all grids of one type."""
    if any(grid.axis is not None for grid in grids):
        raise ValueError("a candidate must have one grid for the whole tensor")
    scale = np.array([float(grid.scale) for grid in grids], np.float32)
    zero = np.array([int(grid.zero_point) for grid in grids])
    dtype = grids[0].dtype
    if dtype in ("uint8", "int8"):
        rows = build.node("Expand", flat, build.integers([len(grids), 1]))
        steps, zeros = build.constant(scale), build.constant(zero.astype(dtype))
        code = ir.DataType.from_numpy(np.dtype(dtype))
        codes = build.node("QuantizeLinear", rows, steps, zeros, dtype=code, axis=0)
        real = build.node("DequantizeLinear", codes, steps, zeros, dtype=ir.DataType.FLOAT, axis=0)
        return build.node("Sub", real, flat)
    # QuantizeLinear has 16 bits since opset 21 only; whole numbers of 16 bits are exact in float32
    low, high = QUANTISED_DTYPES[dtype]
    steps = build.constant(scale[:, None])
    codes = build.node("Round", build.node("Div", flat, steps))
    codes = build.node("Max", codes, build.constant((low - zero)[:, None], flat))
    codes = build.node("Min", codes, build.constant((high - zero)[:, None], flat))
    return build.node("Sub", build.node("Mul", codes, steps), flat)


def _activations(graph: ir.Graph) -> list[ir.Value]:
    """Inputs and node outputs, in the graph's order."""
    fed = [value for value in graph.inputs if value.name not in graph.initializers]
    return [*fed, *(value for node in graph for value in node.outputs if value.name)]


def _elements(value: ir.Value) -> int:
    if value.shape is None:
        return 1
    return int(np.prod([size if isinstance(size, int) else 1 for size in value.shape]))
