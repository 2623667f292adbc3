"""Appends nodes to a graph: what a derivative rule builds with."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx_ir as ir
from numpy.typing import ArrayLike, NDArray

AttributeValue = int | float | str | Sequence[int]
_PREFIX = "edgewright_adjoint"


class Build:
    """Appends nodes of the default operator set to `graph`, each distinct one once.

    Rules for several seeds share what does not depend on the seed: a node that was asked for before, with the same
    inputs and attributes, is handed out again.

    Args:
        graph: the graph to append to. Every value that a rule reads must have a static shape and a type.
    """

    def __init__(self, graph: ir.Graph) -> None:
        self.graph = graph
        self._prefix = _unused_prefix(graph)
        self._made = 0
        self._nodes: dict[tuple[object, ...], tuple[ir.Value, ...]] = {}
        self._constants: dict[tuple[object, ...], ir.Value] = {}

    def node(
        self, kind: str, *inputs: ir.Value | None, dtype: ir.DataType | None = None, **attributes: AttributeValue
    ) -> ir.Value:
        """The output of `kind`(*inputs); `dtype` where it is not that of the first input."""
        return self.nodes(kind, *inputs, outputs=1, dtype=dtype, **attributes)[0]

    def nodes(
        self,
        kind: str,
        *inputs: ir.Value | None,
        outputs: int,
        dtype: ir.DataType | None = None,
        **attributes: AttributeValue,
    ) -> tuple[ir.Value, ...]:
        """The outputs of an operator that has several, all of one type."""
        known = {name: v if isinstance(v, (int, float, str)) else tuple(v) for name, v in attributes.items()}
        key = (kind, outputs, tuple(None if v is None else id(v) for v in inputs), tuple(sorted(known.items())))
        if key not in self._nodes:
            made = ir.node(kind, list(inputs), known, num_outputs=outputs, name=self.fresh())
            first = inputs[0] if inputs else None
            for value in made.outputs:
                value.name = self.fresh()
                value.type = _tensor_type(dtype or (first.dtype if first is not None else None))
            self.graph.append(made)
            self._nodes[key] = tuple(made.outputs)
        return self._nodes[key]

    def constant(self, values: ArrayLike, like: ir.Value | None = None) -> ir.Value:
        """An initialiser that holds `values`, in the element type of `like` (without it, as they are)."""
        array = np.asarray(values)
        if like is not None and like.dtype is not None:
            array = array.astype(like.dtype.numpy())
        key = (array.dtype.str, array.shape, array.tobytes())
        if key not in self._constants:
            name = self.fresh()
            value = ir.Value(name=name, const_value=ir.tensor(array, name=name))
            value.shape, value.dtype = ir.Shape(array.shape), ir.DataType.from_numpy(array.dtype)
            self.graph.register_initializer(value)
            self._constants[key] = value
        return self._constants[key]

    def integers(self, values: Sequence[int]) -> ir.Value:
        """A constant int64 vector: a shape, axes, pads or indices."""
        return self.constant(np.asarray(values, np.int64))

    def zeros(self, shape: Sequence[int], like: ir.Value) -> ir.Value:
        """Zeros of `shape`; they take no room in the file."""
        return self.node("Expand", self.constant(0, like), self.integers(shape))

    def reshape(self, value: ir.Value, shape: Sequence[int]) -> ir.Value:
        """`value` in another static shape."""
        return self.node("Reshape", value, self.integers(shape))

    def add(self, values: Sequence[ir.Value]) -> ir.Value:
        """The sum of values of one shape."""
        if len(values) == 1:
            return values[0]
        return self.node("Add" if len(values) == 2 else "Sum", *values)

    def sum_to(self, value: ir.Value, shape: Sequence[int], wanted: Sequence[int]) -> ir.Value:
        """Undo a broadcast: sum `value` of `shape` over what was repeated, so that it has the shape `wanted`."""
        shape, wanted = tuple(shape), tuple(wanted)
        if shape == wanted:
            return value
        padded = (1,) * (len(shape) - len(wanted)) + wanted
        axes = [axis for axis, (have, want) in enumerate(zip(shape, padded, strict=True)) if have != want]
        if axes:
            value = self.node("ReduceSum", value, self.integers(axes), keepdims=1)
        return value if padded == wanted else self.reshape(value, wanted)

    def fresh(self) -> str:
        """A name that the graph does not have."""
        self._made += 1
        return f"{self._prefix}_{self._made}"


def shape_of(value: ir.Value) -> tuple[int, ...]:
    """The static shape of a value.

    Raises:
        ValueError: it has none.
    """
    if value.shape is None or not all(isinstance(size, int) for size in value.shape):
        raise ValueError(f"the shape of {value.name!r} is not known: {value.shape}")
    return tuple(int(size) for size in value.shape if isinstance(size, int))


def has_shape(value: ir.Value) -> bool:
    """Whether every dimension of `value` is known."""
    return value.shape is not None and all(isinstance(size, int) for size in value.shape)


def constant_array(value: ir.Value | None) -> NDArray[np.generic] | None:
    """The values of an initialiser; None for an input left out and for a value that is computed."""
    tensor = None if value is None else ir.convenience.get_const_tensor(value)
    return None if tensor is None else tensor.numpy()


def _tensor_type(dtype: ir.DataType | None) -> ir.TensorType | None:
    return None if dtype is None else ir.TensorType(dtype)


def _unused_prefix(graph: ir.Graph) -> str:
    names = {value.name or "" for node in graph for value in node.outputs}
    names |= {value.name or "" for value in graph.inputs} | set(graph.initializers)
    prefix = _PREFIX
    while any(name.startswith(prefix) for name in names):
        prefix += "_"
    return prefix
