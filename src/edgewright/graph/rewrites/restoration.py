"""Running a restoration, and joining two of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import onnx_ir as ir
from numpy.typing import NDArray

from edgewright.errors import ModelError
from edgewright.graph.model import Model
from edgewright.graph.reference import Outputs, ReferenceSession
from edgewright.graph.rewrites.editor import finished


class Restorer:
    """Computes the old outputs of a rewritten model from its new ones, in ONNX Runtime on this host.

    Args:
        restore: the restoration; None hands the outputs on as they are.
        threads: as `ReferenceSession`.

    Raises:
        ModelError: ONNX Runtime does not accept the restoration.
    """

    def __init__(self, restore: Model | None, threads: int = 0) -> None:
        self._restore = restore
        if restore is None:
            return
        self._wanted = [spec.name for spec in restore.outputs]
        passed = {spec.name for spec in restore.inputs}
        self._computed = [name for name in self._wanted if name not in passed]
        self._session = ReferenceSession(restore.data, threads=threads, name="the restoration")

    def __call__(self, outputs: Mapping[str, NDArray[Any]]) -> Outputs:
        """The old outputs, in order.

        Args:
            outputs: the new ones, real values.

        Raises:
            ToolchainError: the restoration does not fit the outputs.
        """
        if self._restore is None:
            return dict(outputs)
        # what only passes through needs no copy; ONNX Runtime checks the rest
        fed = {name: outputs[name] for name in self._session.input_names if name in outputs}
        found = {**outputs, **self._session(fed, self._computed)} if self._computed else outputs
        return {name: found[name] for name in self._wanted}


def chain(first: Model | None, second: Model | None) -> Model | None:
    """One restoration that does the work of two.

    Args:
        first: from the outputs of the chip; None changes nothing.
        second: from what `first` gives.

    Raises:
        ModelError: the second takes an output that the first does not give.
    """
    if first is None or second is None:
        return second if first is None else first
    joined, added = first.clone(), second.clone()
    given = {value.name: value for value in joined.graph.outputs}
    missing = [value.name for value in added.graph.inputs if value.name not in given]
    if missing:
        raise ModelError(
            f"two restorations do not fit: the second takes {missing[0]!r}",
            why=f"the first gives {', '.join(map(repr, given))}",
        )
    ends = [given[value.name] if value.is_graph_input() else value for value in added.graph.outputs]
    for value in added.graph.inputs:
        for usage in tuple(value.uses()):
            usage.node.replace_input_with(usage.idx, given[value.name])
    _keep_apart(joined, added, {value.name or "" for value in ends})
    _move(joined, added)
    joined.graph.outputs.clear()
    joined.graph.outputs.extend(ends)
    return finished(joined, [], second)


def _keep_apart(joined: ir.Model, added: ir.Model, kept: set[str]) -> None:
    """Give inner names that stand on both sides a number; names of the final outputs stay."""
    inputs = {value.name for value in joined.graph.inputs}
    taken = {value.name or "" for value in _inner(joined.graph)} | {node.name or "" for node in joined.graph} | inputs
    theirs = {value.name or "" for value in _inner(added.graph)} | {node.name or "" for node in added.graph}
    used = taken | theirs | kept

    def other(name: str | None) -> str:
        number = 2
        while f"{name}_{number}" in used:
            number += 1
        used.add(f"{name}_{number}")
        return f"{name}_{number}"

    for value in _inner(added.graph):
        if value.name in taken and value.name not in kept:
            _rename(added.graph, value, other(value.name))
    for value in _inner(joined.graph):
        if value.name in theirs & kept:
            _rename(joined.graph, value, other(value.name))
    for node in added.graph:
        if node.name in taken:
            node.name = other(node.name)


def _rename(graph: ir.Graph, value: ir.Value, name: str) -> None:
    initialiser = graph.initializers.pop(value.name or "", None)
    value.name = name
    if initialiser is not None:
        graph.register_initializer(value)


def _inner(graph: ir.Graph) -> list[ir.Value]:
    return [*graph.initializers.values(), *(value for node in graph for value in node.outputs)]


def _move(joined: ir.Model, added: ir.Model) -> None:
    """Hand nodes, constants and functions over to the graph that they are joined with."""
    constants, nodes = list(added.graph.initializers.values()), list(added.graph)
    added.graph.outputs.clear()
    added.graph.initializers.clear()
    for value in constants:
        joined.graph.register_initializer(value)
    added.graph.remove(nodes)
    joined.graph.extend(nodes)
    joined.functions.update(added.functions)
    for domain, version in added.graph.opset_imports.items():
        joined.graph.opset_imports.setdefault(domain, version)
