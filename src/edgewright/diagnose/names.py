"""Which nodes of the user's file a node of the prepared model stands for.

Preparation folds nodes together, drops some and names others anew. What it does not touch is the names of the tensors
that it keeps, and a tensor that is there before and after holds the same values. So a node stands for what the source
computes between the tensors around it that both models have. No name is compared for likeness.
"""

from __future__ import annotations

from collections.abc import Mapping

import onnx_ir as ir

from edgewright.graph.model import Model
from edgewright.quant.error_ops import made_values, read_values

_SHAPE_OPS = frozenset({"Shape", "Size"})


def source_names(source: Model, prepared: Model) -> Mapping[str, tuple[str, ...]]:
    """Names of the source's nodes that each prepared node stands for, in the order of the file, by node name.

    Nodes that compute from constants or shapes alone are left out: they are constants in the prepared model. Where
    several prepared nodes lie between the same tensors, each of them stands for all of the source's nodes in there. A
    node for which none is found stands for itself.

    Args:
        source: the model as the user gave it.
        prepared: what preparation made of it.
    """
    mapper = _Mapper(source, prepared)
    return {node.name or "": mapper.names(node) for node in prepared.ir.graph}


class _Mapper:
    def __init__(self, source: Model, prepared: Model) -> None:
        self._made = made_values(source.ir.graph)
        self._kept = set(self._made) & set(made_values(prepared.ir.graph))
        self._order = {node: index for index, node in enumerate(source.ir.graph)}
        self._live = _with_data(source.ir.graph)

    def names(self, node: ir.Node) -> tuple[str, ...]:
        found: set[ir.Node] = set()
        for name in self._kept_outputs(node):
            found |= self._between(self._made[name].producer())
        ordered = sorted(found & self._live, key=lambda part: self._order[part])
        return tuple(_name(part) for part in ordered) or (node.name or "",)

    def _kept_outputs(self, node: ir.Node) -> set[str]:
        """The nearest tensors behind a prepared node that the source has too."""
        found: set[str] = set()
        seen: set[ir.Node] = set()
        stack = [node]
        while stack:
            current = stack.pop()
            if current in seen:
                continue
            seen.add(current)
            for value in current.outputs:
                if value.name in self._kept:
                    found.add(value.name or "")
                else:
                    stack += value.consumers()
        return found

    def _between(self, node: ir.Node | None) -> set[ir.Node]:
        """Nodes of the source from `node` back to tensors that were kept."""
        found: set[ir.Node] = set()
        stack = [node]
        while stack:
            current = stack.pop()
            if current is None or current in found:
                continue
            found.add(current)
            stack += [value.producer() for value in read_values(current) if value.name not in self._kept]
        return found


def _with_data(graph: ir.Graph) -> set[ir.Node]:
    """Nodes whose result depends on the values of an input of the network, not only on shapes."""
    fed = {value for value in graph.inputs if value.name not in graph.initializers}
    live: set[ir.Node] = set()
    for node in graph:
        if node.op_type not in _SHAPE_OPS and any(_is_live(value, fed, live) for value in read_values(node)):
            live.add(node)
    return live


def _is_live(value: ir.Value, fed: set[ir.Value], live: set[ir.Node]) -> bool:
    return value in fed or value.producer() in live


def _name(node: ir.Node) -> str:
    """As preparation names a node that has no name."""
    return node.name or f"{node.op_type}_{node.outputs[0].name}"
