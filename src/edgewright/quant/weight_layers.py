"""Ops with learnt weights, and a graph with further nodes beside its own."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from edgewright.graph.model import Model
from edgewright.quant.binding import BoundSession
from edgewright.quant.plan import PrecisionPlan

WEIGHT_OPS = frozenset({"Conv", "ConvTranspose", "Gemm", "MatMul"})


def quantised_weight_nodes(model: Model, plan: PrecisionPlan) -> list[ir.Node]:
    """Nodes that compute on codes with a constant weight that has a grid, in the graph's order."""
    return [
        node
        for node in model.ir.graph
        if node.op_type in WEIGHT_OPS
        and node.domain in ("", "ai.onnx")
        and plan.ops.get(node.name or "", "float") != "float"
        and node.inputs[0] is not None
        and (weight := node.inputs[1]) is not None
        and weight.name in plan.weights
        and weight.const_value is not None
    ]


def constant_values(value: ir.Value | None) -> NDArray[Any]:
    """Values of a constant.

    Raises:
        ValueError: the value is left out or computed.
    """
    if value is None or value.const_value is None:
        raise ValueError(f"{value.name if value else 'an input that is left out'!r} is no constant")
    return value.const_value.numpy()


def add_constant(graph: ir.Graph, name: str, values: NDArray[Any]) -> ir.Value:
    """A new initialiser; `name` must be free."""
    value = ir.Value(name=name, const_value=ir.tensor(values, name=name), shape=ir.Shape(values.shape))
    value.dtype = ir.DataType.from_numpy(values.dtype)
    graph.register_initializer(value)
    return value


def with_values(model: Model, values: Mapping[str, NDArray[np.float32]]) -> Model:
    """The model with other values, of the same shapes, in some initialisers."""
    changed = model.clone()
    for name, array in values.items():
        changed.graph.initializers[name].const_value = ir.tensor(np.ascontiguousarray(array), name=name)
    return Model(changed, model.path)


class Beside:
    """A model with further nodes beside its own, of which only what is asked for leaves the runtime.

    Args:
        model: the float model; it stays as it is.
    """

    def __init__(self, model: Model) -> None:
        changed = model.clone()
        self._model, self._name = changed, model.name
        self._graph = changed.graph
        self.nodes = {node.name or "": node for node in changed.graph}
        taken = {value.name or "" for node in changed.graph for value in node.outputs}
        taken |= {value.name or "" for value in changed.graph.inputs} | set(changed.graph.initializers)
        self._prefix = "edgewright_beside"
        while any(name.startswith(self._prefix) for name in taken):
            self._prefix += "_"
        self._made = 0
        self._constants: dict[tuple[str, tuple[int, ...], bytes], ir.Value] = {}
        self._outputs: dict[str, str] = {}
        del changed.graph.outputs[:]

    def make(self, kind: str, inputs: Iterable[ir.Value], attributes: Iterable[ir.Attr] = ()) -> ir.Value:
        """The only output of a new node, of the type of its first input or of its third, a zero point."""
        given = list(inputs)
        dtype = given[2].dtype if kind == "QuantizeLinear" else None
        output = ir.Value(name=self._free(), type=ir.TensorType(dtype or ir.DataType.FLOAT))
        self._graph.append(ir.Node("", kind, given, list(attributes), outputs=[output], name=output.name))
        return output

    def constant(self, values: NDArray[Any]) -> ir.Value:
        """An initialiser; the same values give the same one."""
        key = (str(values.dtype), values.shape, values.tobytes())
        if key not in self._constants:
            self._constants[key] = add_constant(self._graph, self._free(), values)
        return self._constants[key]

    def hand_out(self, key: str, value: ir.Value) -> None:
        """Let `value` leave the runtime under `key`."""
        output = self.make("Identity", [value])  # an input of the graph cannot be its output too
        self._graph.outputs.append(output)
        self._outputs[key] = output.name or ""

    def session(self, threads: int) -> BoundSession:
        """The graph, loaded; its outputs are named by `outputs`."""
        data = bytes(ir.to_proto(self._model).SerializeToString(deterministic=True))
        return BoundSession(data, threads=threads, name=self._name)

    @property
    def outputs(self) -> Mapping[str, str]:
        """Name of the session's output by the key that it was handed out under."""
        return self._outputs

    def _free(self) -> str:
        self._made += 1
        return f"{self._prefix}_{self._made}"
