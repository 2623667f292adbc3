"""Which nodes a plan computes as one op: what lies between one grid and the next."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator

import onnx_ir as ir

from edgewright.errors import UserError
from edgewright.quant.plan import PrecisionPlan


def on_codes(node: ir.Node | None, plan: PrecisionPlan) -> bool:
    """Whether the plan has a node in integers."""
    return node is not None and plan.ops.get(node.name or "", "float") != "float"


def absorbed_input(value: ir.Value | None, reader: ir.Node, plan: PrecisionPlan) -> ir.Node | None:
    """The node that makes an input of `reader`, where the two are computed as one op; else None.

    A plan gives a grid to every activation between two ops in integers, but for those that a fused op keeps to itself.
    """
    if value is None or plan.grid_seen(value.name or "", reader.name or "") is not None:
        return None
    producer = value.producer()
    return producer if on_codes(producer, plan) else None


def fused_nodes(node: ir.Node, plan: PrecisionPlan) -> tuple[ir.Node, ...]:
    """The nodes that the plan computes together with `node`, which comes last, in the order of execution.

    A node that the plan has in float stands alone.
    """
    found: dict[ir.Node, None] = {}

    def visit(current: ir.Node) -> None:
        if current in found:
            return
        if on_codes(current, plan):
            for value in current.inputs:
                producer = absorbed_input(value, current, plan)
                if producer is not None:
                    visit(producer)
        found[current] = None

    visit(node)
    return tuple(found)


def made_values(graph: ir.Graph) -> dict[str, ir.Value]:
    """Inputs that a caller feeds and outputs of nodes, by name, in the order of execution."""
    fed = [value for value in graph.inputs if value.name not in graph.initializers]
    made = [value for node in graph for value in node.outputs]
    return {value.name: value for value in (*fed, *made) if value.name}


def unknown_tensor(name: str, known: Iterable[str], why: str) -> UserError:
    """The error for a name that is none of `known`."""
    near = difflib.get_close_matches(name, list(known), n=3, cutoff=0.4)
    hint = f"did you mean {' or '.join(near)}?" if near else "`edgewright analyse` lists the tensors"
    return UserError(f"{name!r} {why}", todo=hint)


def nested_nodes(node: ir.Node) -> Iterator[ir.Node]:
    """A node and those of its subgraphs."""
    yield node
    for graph in _subgraphs(node):
        for inner in graph:
            yield from nested_nodes(inner)


def read_values(node: ir.Node) -> Iterator[ir.Value]:
    """What a node reads, what its subgraphs read included."""
    yield from (value for value in node.inputs if value is not None)
    for graph in _subgraphs(node):
        yield from graph.outputs
        for inner in graph:
            yield from read_values(inner)


def _subgraphs(node: ir.Node) -> Iterator[ir.Graph]:
    for attribute in node.attributes.values():
        if attribute.type == ir.AttributeType.GRAPH:
            yield attribute.as_graph()
        elif attribute.type == ir.AttributeType.GRAPHS:
            yield from attribute.as_graphs()
