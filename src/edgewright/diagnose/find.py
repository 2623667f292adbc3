"""From a name that a person knows to the tensor whose error is measured."""

from __future__ import annotations

from collections.abc import Mapping

import onnx_ir as ir

from edgewright.diagnose.names import source_names
from edgewright.graph.model import Model
from edgewright.quant.error_ops import fused_nodes, made_values, unknown_tensor
from edgewright.quant.plan import PrecisionPlan


def find_tensor(name: str, source: Model, model: Model, plan: PrecisionPlan) -> str:
    """The tensor with a grid that `name` stands for.

    Args:
        name: a tensor, a node of the prepared model, or a node of the user's file; of several tensors that one node of
            the file stands for, the last one is taken.
        source: the model as the user gave it.
        model: the prepared model.
        plan: grids and precisions.

    Raises:
        UserError: there is no such name, with those that are near; or the plan computes it in float.
    """
    if name in plan.activations:
        return name
    nodes = _nodes(name, source, model)
    values = made_values(model.ir.graph)
    if not nodes:
        known = dict.fromkeys([*plan.activations, *plan.ops, *_source_nodes(source, model)])
        raise unknown_tensor(name, known, "is no tensor and no op of this model")
    found = [
        tensor
        for tensor, value in values.items()
        if tensor in plan.activations and nodes & _group(value.producer(), plan)
    ]
    if not found:
        raise unknown_tensor(name, plan.activations, "has no grid in this plan, so it has no error of its own")
    return found[-1]


def _nodes(name: str, source: Model, model: Model) -> set[str]:
    """Prepared nodes of that name, making a tensor of that name, or standing for such a node of the file."""
    own = {
        node.name or ""
        for node in model.ir.graph
        if node.name == name or any(value.name == name for value in node.outputs)
    }
    return own or {node for node, sources in source_names(source, model).items() if name in sources}


def _source_nodes(source: Model, model: Model) -> list[str]:
    names: Mapping[str, tuple[str, ...]] = source_names(source, model)
    return [name for sources in names.values() for name in sources]


def _group(producer: ir.Node | None, plan: PrecisionPlan) -> set[str]:
    """Names of the nodes that are computed as one op with the one that makes a tensor."""
    return set() if producer is None else {node.name or "" for node in fused_nodes(producer, plan)}
