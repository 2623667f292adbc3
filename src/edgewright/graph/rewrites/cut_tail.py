"""The network ends at its raw heads; the host decodes them in float, with the nodes that were cut off."""

from __future__ import annotations

import onnx_ir as ir

from edgewright.graph.model import Model
from edgewright.graph.regions import decode_tail
from edgewright.graph.rewrites.base import REWRITES, RewriteContext, Rewritten
from edgewright.graph.rewrites.editor import all_inputs
from edgewright.graph.rewrites.extract import depends_on_inputs, move_to_host
from edgewright.graph.rewrites.joins import MOVES


class CutTail:
    """See `Rewrite`."""

    name = "cut-tail"
    requires = "arithmetic behind the last learnt operators: decoding of boxes, sigmoid, joins"
    ensures = "what enters that arithmetic are the outputs; the arithmetic itself runs on the host in float"
    cost = "nothing on the chip; the host computes the tail, and raw heads may be larger than what they become"

    def apply(self, model: Model, context: RewriteContext) -> Rewritten | None:
        """Cut at the tensors that enter the decode tail."""
        tail = decode_tail(model, context.absorbed)
        computed = depends_on_inputs(model.ir.graph)
        moved = [
            value
            for value in model.ir.graph.outputs
            if value in computed and (node := value.producer()) is not None and node.name in tail
        ]
        entries, nodes = _entries(model.ir.graph, moved, tail, computed)
        if all(node.op_type in MOVES for node in nodes) or any(entry.is_graph_input() for entry in entries):
            return None
        names = [entry.name or "" for entry in entries]
        pair = move_to_host(model, [value.name or "" for value in moved], names)
        if pair is None:
            return None
        facts = {
            "rewrite": self.name,
            "text": f"The decode tail ({len(nodes)} ops) runs on the host in float; the network ends at "
            f"{', '.join(names)}.",
            "tensors": {},
            "entries": names,
            "nodes": [node.name or "" for node in nodes],
        }
        return Rewritten(*pair, facts)


def _entries(
    graph: ir.Graph, moved: list[ir.Value], tail: set[str], computed: set[ir.Value]
) -> tuple[list[ir.Value], list[ir.Node]]:
    """Tensors that enter the tail from the body, and the nodes that are cut off, in the order of the graph."""
    entries: dict[ir.Value, None] = {}
    nodes: set[ir.Node] = set()
    stack = [node for value in moved if (node := value.producer()) is not None]
    while stack:
        node = stack.pop()
        if node in nodes:
            continue
        nodes.add(node)
        for value in all_inputs(node):
            producer = value.producer()
            if value in computed and (producer is None or producer.name not in tail):
                entries[value] = None
            elif producer is not None:
                stack.append(producer)
    place = {value: index for index, node in enumerate(graph) for value in node.outputs}
    return sorted(entries, key=lambda value: place.get(value, -1)), [node for node in graph if node in nodes]


REWRITES.add(CutTail.name, CutTail())
