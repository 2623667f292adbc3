"""A plan as QuantizeLinear / DequantizeLinear pairs: how ONNX Runtime takes it, and how any target's plan is emulated.

Each op reads a tensor through the grid that the plan gives that reader: real values, the tensor's own grid, or the
second, narrower one.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import onnx_ir as ir

from edgewright.errors import ModelError
from edgewright.graph.model import Model
from edgewright.quant.plan import PrecisionPlan
from edgewright.tensors import Grid

MS_DOMAIN = "com.microsoft"
# `qdq_read` finds a tensor's own name, and which of its grids it is, by these
OWN, NARROWED = "_quantised", "_narrowed"
_ENDINGS = ("_scale", "_zero_point", OWN, "_dequantised", "_float")


def write_qdq(model: Model, plan: PrecisionPlan) -> Model:
    """The model with the plan written into it. Inputs and outputs keep names and float type.

    Raises:
        ValueError: the plan names a tensor that the model has not.
        ModelError: the model has tensors of names that are needed here.
    """
    changed = model.clone()
    _check_names(changed, plan)
    if any(grid.bits == 16 for grid in (*plan.activations.values(), *plan.weights.values())):
        changed.opset_imports[MS_DOMAIN] = 1
    values = {value.name: value for value in _activations(changed)}
    for name in plan.activations:
        if name not in values:
            raise ValueError(f"the plan names activation {name!r}, which the model has not")
        _quantise_activation(changed.graph, values[name], plan)
    for name, grid in plan.weights.items():
        if name not in changed.graph.initializers:
            raise ValueError(f"the plan names initialiser {name!r}, which the model has not")
        _quantise_initialiser(changed.graph, changed.graph.initializers[name], grid, plan)
    changed.graph.sort()
    return Model(changed, model.path)


def _activations(model: ir.Model) -> Iterable[ir.Value]:
    yield from model.graph.inputs
    for node in model.graph:
        yield from node.outputs


def _domain(grid: Grid) -> str:
    """16-bit codes are standard from opset 21 on; ONNX Runtime has them in its own domain at every opset."""
    return MS_DOMAIN if grid.bits == 16 else ""


def _constants(graph: ir.Graph, name: str, grid: Grid) -> tuple[ir.Value, ir.Value]:
    scale = ir.Value(name=f"{name}_scale", const_value=ir.tensor(grid.scale, name=f"{name}_scale"))
    zero_codes = np.asarray(grid.zero_point).astype(grid.dtype)
    zero = ir.Value(name=f"{name}_zero_point", const_value=ir.tensor(zero_codes, name=f"{name}_zero_point"))
    for value in (scale, zero):
        tensor = value.const_value
        assert tensor is not None  # noqa: S101 - set two lines above
        value.shape, value.dtype = ir.Shape(tensor.numpy().shape), tensor.dtype
        graph.register_initializer(value)
    return scale, zero


def _check_names(model: ir.Model, plan: PrecisionPlan) -> None:
    """Refuse a model whose own tensors have names that are about to be given."""
    own = {value.name for value in _activations(model)} | set(model.graph.initializers)
    wanted = [*plan.activations, *plan.weights, *(name + NARROWED for name in plan.narrowed)]
    taken = [name + end for name in wanted for end in _ENDINGS if name + end in own]
    if taken:
        raise ModelError(
            f"the model has a tensor {taken[0]!r}, a name that its quantised form needs",
            why=f"{len(taken)} such names in all",
            todo="rename these tensors in the model",
        )


def _quantise_activation(graph: ir.Graph, value: ir.Value, plan: PrecisionPlan) -> None:
    """Let every reader of `value` see it as the plan says."""
    name = value.name or ""
    uses = list(value.uses())
    producer = value.producer()
    # what a float op makes is real: only readers on codes see it through a grid
    made_on_codes = producer is not None and plan.ops.get(producer.name or "", "float") != "float"
    is_output = value.is_graph_output() and made_on_codes
    if is_output:
        value.name = f"{name}_float"  # the graph's output keeps its name: the float value behind it takes another
    own = _pair(graph, value, name, plan.activations[name])
    if is_output:
        own.name = name
        for index, output in enumerate(graph.outputs):
            if output is value:
                graph.outputs[index] = own
    narrow = _pair(graph, own, name + NARROWED, plan.narrowed[name]) if name in plan.narrowed else own
    for node, index in uses:
        precision = plan.ops.get(node.name or "", "float")
        if precision != "float" or made_on_codes:
            node.replace_input_with(index, narrow if precision == "int8" else own)


def _pair(graph: ir.Graph, value: ir.Value, name: str, grid: Grid) -> ir.Value:
    """`value` behind a grid: the output of a new QuantizeLinear and DequantizeLinear."""
    scale, zero = _constants(graph, name, grid)
    quantise = ir.Node(_domain(grid), "QuantizeLinear", [value, scale, zero], name=f"{name}_QuantizeLinear")
    quantise.outputs[0].name = f"{name}{OWN}"
    dequantise = ir.Node(
        _domain(grid), "DequantizeLinear", [quantise.outputs[0], scale, zero], name=f"{name}_DequantizeLinear"
    )
    result = dequantise.outputs[0]
    result.name = f"{name}_dequantised"
    result.shape, result.dtype = value.shape, ir.DataType.FLOAT
    graph.extend([quantise, dequantise])
    return result


def _quantise_initialiser(graph: ir.Graph, value: ir.Value, grid: Grid, plan: PrecisionPlan) -> None:
    """Give quantised readers of a float initialiser its codes and a DequantizeLinear; float readers keep it."""
    tensor = value.const_value
    if tensor is None:
        raise ValueError(f"initialiser {value.name!r} has no value")
    name = value.name or ""
    codes_array = grid.quantise(tensor.numpy())
    codes = ir.Value(name=f"{name}{OWN}", const_value=ir.tensor(codes_array, name=f"{name}{OWN}"))
    codes.shape, codes.dtype = ir.Shape(codes_array.shape), ir.DataType.from_numpy(codes_array.dtype)
    graph.register_initializer(codes)
    scale, zero = _constants(graph, name, grid)
    attributes = [] if grid.axis is None else [ir.AttrInt64("axis", grid.axis)]
    dequantise = ir.Node(
        _domain(grid), "DequantizeLinear", [codes, scale, zero], attributes, name=f"{name}_DequantizeLinear"
    )
    dequantise.outputs[0].name = f"{name}_dequantised"
    dequantise.outputs[0].dtype = ir.DataType.FLOAT
    uses = [(node, index) for node, index in value.uses() if plan.ops.get(node.name or "", "float") != "float"]
    graph.insert_before(graph[0], dequantise)
    for node, index in uses:
        node.replace_input_with(index, dequantise.outputs[0])
    if not list(value.uses()):
        del graph.initializers[name]
