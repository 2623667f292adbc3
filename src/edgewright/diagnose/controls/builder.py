"""Writing a small network with random weights whose activations stay around 1."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray
from onnx_ir.passes.common import ShapeInferencePass

from edgewright.graph.model import Model

OPSET = 13
"""What every toolchain reads; `prepare` raises it where one wants more."""
_IR_VERSION = 8
_RELU_GAIN = math.sqrt(2.0)
"""Keeps the mean square through ReLU: half of a normal variable's square is lost (He et al. 2015)."""


class GraphBuilder:
    """A graph with one image input.

    Args:
        name: of the model.
        shape: of its input `images`, NCHW.
        seed: of all weights; two builders with the same seed and calls make the same bytes.
    """

    def __init__(self, name: str, shape: Sequence[int], seed: int) -> None:
        self.name = name
        self.input = ir.Value(name="images", shape=ir.Shape(tuple(shape)), type=ir.TensorType(ir.DataType.FLOAT))
        self._random = np.random.default_rng(seed)
        self._nodes: list[ir.Node] = []
        self._constants: list[ir.Value] = []

    def op(self, op_type: str, *inputs: ir.Value | None, **attributes: Any) -> ir.Value:
        """A node with one output."""
        return self.ops(op_type, *inputs, outputs=1, **attributes)[0]

    def ops(self, op_type: str, *inputs: ir.Value | None, outputs: int, **attributes: Any) -> tuple[ir.Value, ...]:
        """A node with several outputs."""
        name = f"{op_type.lower()}_{len(self._nodes)}"
        values = [ir.Value(name=f"{name}_{index}") for index in range(outputs)]
        self._nodes.append(ir.node(op_type, list(inputs), attributes, outputs=values, name=name))
        return tuple(values)

    def constant(self, array: NDArray[Any]) -> ir.Value:
        """An initialiser."""
        name = f"constant_{len(self._constants)}"
        value = ir.Value(
            name=name,
            shape=ir.Shape(array.shape),
            type=ir.TensorType(ir.DataType.from_numpy(array.dtype)),
            const_value=ir.tensor(array, name=name),
        )
        self._constants.append(value)
        return value

    def floats(self, *numbers: float) -> ir.Value:
        """Float constant: one number as a scalar, several as a vector."""
        return self.constant(np.asarray(numbers[0] if len(numbers) == 1 else numbers, np.float32))

    def integers(self, *numbers: int) -> ir.Value:
        """A vector of int64: shapes, axes, lengths."""
        return self.constant(np.asarray(numbers, np.int64))

    def conv(
        self,
        x: ir.Value,
        channels: int,
        filters: int,
        size: int = 3,
        *,
        stride: int = 1,
        groups: int = 1,
        gain: float = _RELU_GAIN,
        bias: float = 0.0,
    ) -> ir.Value:
        """Conv that keeps the picture's size over `stride`; weights of standard deviation gain / sqrt(fan in)."""
        shape = (filters, channels // groups, size, size)
        weights = self.normal(shape, gain / math.sqrt(math.prod(shape[1:])))
        biases = self.constant((bias + self._random.normal(scale=0.1, size=filters)).astype(np.float32))
        return self.op(
            "Conv",
            x,
            weights,
            biases,
            kernel_shape=[size, size],
            strides=[stride, stride],
            pads=[size // 2] * 4,
            group=groups,
        )

    def normal(self, shape: Sequence[int], scale: float) -> ir.Value:
        """Seeded normal weights."""
        return self.constant(self._random.normal(scale=scale, size=tuple(shape)).astype(np.float32))

    def silu(self, x: ir.Value) -> ir.Value:
        """x * sigmoid(x)."""
        return self.op("Mul", x, self.op("Sigmoid", x))

    def hard_swish(self, x: ir.Value) -> ir.Value:
        """x * clip(x + 3, 0, 6) / 6, in the ops that exporters write it in."""
        clipped = self.op("Clip", self.op("Add", x, self.floats(3.0)), self.floats(0.0), self.floats(6.0))
        return self.op("Div", self.op("Mul", x, clipped), self.floats(6.0))

    def reshape(self, x: ir.Value, *shape: int) -> ir.Value:
        """Reshape to constants; one may be -1."""
        return self.op("Reshape", x, self.integers(*shape))

    def finish(self, outputs: Mapping[str, ir.Value]) -> Model:
        """The model, its outputs under the given names."""
        for name, value in outputs.items():
            value.name = name
        graph = ir.Graph(
            inputs=[self.input],
            outputs=list(outputs.values()),
            nodes=self._nodes,
            initializers=self._constants,
            opset_imports={"": OPSET},
            name=self.name,
        )
        return Model(ShapeInferencePass()(ir.Model(graph, ir_version=_IR_VERSION)).model)


def anchor_centres(sizes: Sequence[int]) -> NDArray[np.float32]:
    """Centres of the cells of square grids, in cells: shape (1, 2, anchors), x before y."""
    grids = []
    for size in sizes:
        y, x = np.meshgrid(np.arange(size), np.arange(size), indexing="ij")
        grids.append(np.stack([x.ravel(), y.ravel()]) + 0.5)
    return np.concatenate(grids, axis=1)[None].astype(np.float32)


def anchor_strides(sizes: Sequence[int], strides: Sequence[int]) -> NDArray[np.float32]:
    """The stride of every anchor: shape (1, 1, anchors)."""
    rows = [np.full(size * size, stride) for size, stride in zip(sizes, strides, strict=True)]
    return np.concatenate(rows)[None, None].astype(np.float32)
