"""A plan as QuantizeLinear / DequantizeLinear pairs, the form in which ONNX Runtime takes it."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import onnx_ir as ir

from edgewright.errors import ModelError
from edgewright.graph.model import Model
from edgewright.quant.plan import PrecisionPlan
from edgewright.tensors import Grid

_MS = "com.microsoft"
_SUFFIX = "_quantised"  # `plan.read_qdq` finds a tensor's own name by it


def write_qdq(model: Model, plan: PrecisionPlan) -> Model:
    """The model with the plan written into it. Inputs and outputs keep names and float type.

    Raises:
        ValueError: the plan names a tensor that the model has not.
        ModelError: the model has tensors of names that are needed here.
    """
    changed = model.clone()
    _check_names(changed, plan)
    if _wide(plan):
        changed.opset_imports[_MS] = 1
    values = {value.name: value for value in _activations(changed)}
    for name, grid in plan.activations.items():
        if name not in values:
            raise ValueError(f"the plan names activation {name!r}, which the model has not")
        _quantise_activation(changed.graph, values[name], grid)
    for name, grid in plan.weights.items():
        if name not in changed.graph.initializers:
            raise ValueError(f"the plan names initialiser {name!r}, which the model has not")
        _quantise_initialiser(changed.graph, changed.graph.initializers[name], grid, plan)
    changed.graph.sort()
    return Model(changed, model.path)


def _wide(plan: PrecisionPlan) -> bool:
    return any(grid.bits == 16 for grid in (*plan.activations.values(), *plan.weights.values()))


def _activations(model: ir.Model) -> Iterable[ir.Value]:
    yield from model.graph.inputs
    for node in model.graph:
        yield from node.outputs


def _domain(grid: Grid) -> str:
    """16-bit codes are standard from opset 21 on; ONNX Runtime has them in its own domain at every opset."""
    return _MS if grid.bits == 16 else ""


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
    endings = ("_scale", "_zero_point", _SUFFIX, "_dequantised", "_float")
    taken = [name + end for name in (*plan.activations, *plan.weights) for end in endings if name + end in own]
    if taken:
        raise ModelError(
            f"the model has a tensor {taken[0]!r}, a name that its quantised form needs",
            why=f"{len(taken)} such names in all",
            todo="rename these tensors in the model",
        )


def _quantise_activation(graph: ir.Graph, value: ir.Value, grid: Grid) -> None:
    """Let every reader of `value` see it through its grid."""
    name = value.name or ""
    scale, zero = _constants(graph, name, grid)
    uses = list(value.uses())
    is_output = value.is_graph_output()
    if is_output:
        # the graph's output keeps its name: the float value behind it takes another
        value.name = f"{name}_float"
    quantise = ir.Node(_domain(grid), "QuantizeLinear", [value, scale, zero], name=f"{name}_QuantizeLinear")
    quantise.outputs[0].name = f"{name}{_SUFFIX}"
    dequantise = ir.Node(
        _domain(grid), "DequantizeLinear", [quantise.outputs[0], scale, zero], name=f"{name}_DequantizeLinear"
    )
    result = dequantise.outputs[0]
    result.name = name if is_output else f"{name}_dequantised"
    result.shape, result.dtype = value.shape, ir.DataType.FLOAT
    graph.extend([quantise, dequantise])
    for node, index in uses:
        node.replace_input_with(index, result)
    if is_output:
        for index, output in enumerate(graph.outputs):
            if output is value:
                graph.outputs[index] = result


def _quantise_initialiser(graph: ir.Graph, value: ir.Value, grid: Grid, plan: PrecisionPlan) -> None:
    """Give quantised readers of a float initialiser its codes and a DequantizeLinear; float readers keep it."""
    tensor = value.const_value
    if tensor is None:
        raise ValueError(f"initialiser {value.name!r} has no value")
    name = value.name or ""
    codes_array = grid.quantise(tensor.numpy())
    codes = ir.Value(name=f"{name}{_SUFFIX}", const_value=ir.tensor(codes_array, name=f"{name}{_SUFFIX}"))
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
