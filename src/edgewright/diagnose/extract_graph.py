"""A piece of a network as a model of its own."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

import onnx_ir as ir
from numpy.typing import NDArray

from edgewright.graph.model import Model
from edgewright.graph.reference import Feeds, ReferenceSession
from edgewright.quant.error_ops import made_values, nested_nodes, on_codes, read_values
from edgewright.quant.plan import PrecisionPlan


def read_from_outside(model: Model, nodes: Collection[ir.Node]) -> list[str]:
    """Tensors that some nodes of a model read and none of them makes, in the order of execution; no constants."""
    made = {value for node in nodes for value in node.outputs}
    read = {value for node in nodes for value in read_values(node)} - made
    return [name for name, value in made_values(model.ir.graph).items() if value in read]


def record(model: Model, names: Sequence[str], feeds: Feeds) -> dict[str, NDArray[Any]]:
    """Values of tensors of the float network for one image, by name."""
    changed = model.clone()
    values = made_values(changed.graph)
    made = [name for name in names if name not in feeds]
    del changed.graph.outputs[:]
    changed.graph.outputs.extend(values[name] for name in made)
    found = ReferenceSession(Model(changed).data, name=model.name)(feeds) if made else {}
    return {name: found[name] if name in found else feeds[name] for name in names}


def piece_of(
    model: Model,
    nodes: Collection[ir.Node],
    inputs: Mapping[str, NDArray[Any]],
    output: str,
    expected: NDArray[Any],
) -> Model:
    """The model that computes `output` from `inputs` by copies of `nodes`, which must suffice.

    Args:
        model: the network that has the nodes.
        nodes: some of its nodes.
        inputs: what they read from outside, with values that tell type and shape.
        output: a tensor that one of them makes.
        expected: its values, which tell type and shape.
    """
    kept = [index for index, node in enumerate(model.ir.graph) if node in nodes]
    changed = model.clone()
    graph = changed.graph
    values = made_values(graph)
    copies = list(graph)
    keep = {copies[index] for index in kept}
    inside = {inner for node in keep for inner in nested_nodes(node)}
    fed = []
    for name, array in inputs.items():
        dtype = ir.DataType.from_numpy(array.dtype)
        value = ir.Value(name=name, shape=ir.Shape(array.shape), type=ir.TensorType(dtype))
        for usage in list(values[name].uses()):
            if usage.node in inside:
                usage.node.replace_input_with(usage.idx, value)
        fed.append(value)
    del graph.outputs[:]
    graph.remove([node for node in copies if node not in keep], safe=True)
    del graph.inputs[:]
    graph.inputs.extend(fed)
    result = values[output]
    result.dtype, result.shape = ir.DataType.from_numpy(expected.dtype), ir.Shape(expected.shape)
    graph.outputs.append(result)
    for name, value in list(graph.initializers.items()):
        if not value.uses():
            del graph.initializers[name]
    return Model(changed, model.path)


def plan_of(
    model: Model, plan: PrecisionPlan, nodes: Collection[ir.Node], last: ir.Node, piece: Model
) -> PrecisionPlan:
    """The part of a plan that a piece needs.

    Args:
        model: the network that has the nodes.
        plan: of the network.
        nodes: those of the piece.
        last: the one of them whose output is that of the piece.
        piece: from `piece_of`.
    """
    names = {node.name for node in nodes}
    ops = {name: precision for name, precision in plan.ops.items() if name in names}
    own = made_values(piece.ir.graph).keys() & plan.activations.keys()
    if not on_codes(last, plan):
        # a grid behind an op in float acts on its readers: here the output is one. Its inputs stay as real as they were
        ops[last.name or ""] = "int16"
        others = set(nodes) - {last}
        values = made_values(model.ir.graph)
        results = {value.name for value in last.outputs}
        own = {name for name in own if name in results or _is_seen(values[name], others, plan)}
    return replace(
        plan,
        model_digest=piece.digest,
        ops=ops,
        activations={name: grid for name, grid in plan.activations.items() if name in own},
        narrowed={name: grid for name, grid in plan.narrowed.items() if name in own},
        weights={name: grid for name, grid in plan.weights.items() if name in piece.ir.graph.initializers},
    )


def _is_seen(value: ir.Value, nodes: Collection[ir.Node], plan: PrecisionPlan) -> bool:
    """Whether a tensor stands on its grid for some op: one of `nodes` that reads it, or the one that makes it."""
    readers = [usage.node for usage in value.uses() if usage.node in nodes]
    return any(on_codes(node, plan) for node in (*readers, value.producer()))
