"""The toolkit's fused graph, joined to the prepared model.

The toolkit renames, reorders and merges. A tensor of the fused graph is the one of the prepared model with the same
range on the same images; its name is only the first guess, for after a reordering the toolkit gives old names to other
values.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from edgewright.graph.model import Model
from edgewright.quant.collect import collect_statistics
from edgewright.quant.fusion import is_float
from edgewright.quant.plan import Precision
from edgewright.quant.statistics import Range
from edgewright.targets.backend import Feeds

CONVERSION = "exDataConvert"
_TOLERANCE = 1e-4
"""Of a range's width: the toolkit computes in float32, with BatchNorms and scalings folded in another order."""


@dataclass(frozen=True)
class FusedNode:
    """A node of the fused graph."""

    op: str
    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> FusedNode:
        """A node as the worker tells it."""
        return cls(data["op"], data["name"], tuple(data["inputs"]), tuple(data["outputs"]))


def observed_ranges(model: Model, feeds: Iterable[Feeds]) -> dict[str, Range]:
    """Exact range of every float activation of the prepared model, its inputs included."""
    values = [*model.ir.graph.inputs, *(value for node in model.ir.graph for value in node.outputs)]
    names = [value.name or "" for value in values if value.name and is_float(value)]
    found = collect_statistics(model, names, feeds, histogram=False)
    return {name: (entry.minimum, entry.maximum) for name, entry in found.items()}


def match_tensors(
    nodes: Sequence[FusedNode], parameters: Mapping[str, Mapping[str, Any]], model: Model, ranges: Mapping[str, Range]
) -> dict[str, str]:
    """Tensors of the fused graph that hold the values of a tensor of the prepared model, perhaps in another order.

    Args:
        nodes: in the order of computation.
        parameters: what the toolkit's calibration saw, by tensor (`ori_min`, `ori_max`).
        model: the prepared model.
        ranges: `observed_ranges` on the same images.

    Returns:
        Name in the prepared model, by name in the fused graph. What the toolkit made up itself is missing.
    """
    order = {spec.name: 0 for spec in model.inputs}
    for index, ours in enumerate(model.ir.graph, 1):
        order.update({value.name or "": index for value in ours.outputs})
    known = {name: name for name in order if name in parameters and order[name] == 0}
    for node in nodes:
        if node.op == CONVERSION and node.inputs[0] in known:
            known.update(dict.fromkeys(node.outputs, known[node.inputs[0]]))
            continue
        earliest = max((order[known[name]] for name in node.inputs if name in known), default=0)
        for name in node.outputs:
            seen = _seen(parameters.get(name))
            if seen is not None:
                found = _best(name, seen, earliest, ranges, order)
                if found is not None:
                    known[name] = found
    return known


def planned_precisions(
    nodes: Sequence[FusedNode], matched: Mapping[str, str], wanted: Mapping[str, Precision]
) -> dict[str, Precision]:
    """Precision of every tensor that the fused graph computes.

    A tensor that the toolkit made up is part of the op behind it, or else of the one before it.

    Args:
        nodes: of the fused graph.
        matched: from `match_tensors`.
        wanted: precision of each tensor of the prepared model, by name.
    """
    readers: dict[str, list[FusedNode]] = {}
    makers: dict[str, FusedNode] = {}
    for node in nodes:
        for name in node.inputs:
            readers.setdefault(name, []).append(node)
        makers.update(dict.fromkeys(node.outputs, node))

    def nearest(name: str, *, forward: bool) -> Precision | None:
        waiting, done = deque([name]), {name}
        while waiting:
            here = waiting.popleft()
            if here in matched:
                return wanted.get(matched[here])
            if forward:
                around = [value for node in readers.get(here, ()) for value in node.outputs]
            else:
                around = list(makers[here].inputs) if here in makers else []
            waiting.extend(value for value in around if value not in done)
            done.update(around)
        return None

    found: dict[str, Precision] = {}
    for node in nodes:
        for name in node.outputs:
            found[name] = nearest(name, forward=True) or nearest(name, forward=False) or "int8"
    return found


def _seen(entry: Mapping[str, Any] | None) -> Range | None:
    if entry is None or len(entry.get("ori_min") or ()) != 1 or len(entry.get("ori_max") or ()) != 1:
        return None
    return float(entry["ori_min"][0]), float(entry["ori_max"][0])


def _best(name: str, seen: Range, earliest: int, ranges: Mapping[str, Range], order: Mapping[str, int]) -> str | None:
    """The tensor of the prepared model with this range: of the same name, of the most alike, or the next one."""
    if name in ranges and _alike(ranges[name], seen):
        return name
    fitting = [other for other, range_ in ranges.items() if order[other] >= earliest and _alike(range_, seen)]
    return min(fitting, key=lambda other: (not name.startswith(other), order[other]), default=None)


def _alike(a: Range, b: Range) -> bool:
    room = _TOLERANCE * max(a[1] - a[0], b[1] - b[0], 1e-12)
    return abs(a[0] - b[0]) <= room and abs(a[1] - b[1]) <= room
