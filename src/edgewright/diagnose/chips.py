"""Why one chip loses more than another with the same model: their own builds side by side, layer by layer."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from edgewright.diagnose.vendor_layers import VendorLayers, VendorTensor
from edgewright.graph.model import Model
from edgewright.quant.plan import PrecisionPlan

_RATIO, _LEAST = 1.25, 0.01
"""From which on two errors differ: a tie that is rounded the other way stays below."""


@dataclass(frozen=True)
class ChipRow:
    """One tensor on both chips: relative L2 with all that came before, and of the op alone, as the vendors compute."""

    tensor: str
    name: str
    kind: str
    depth: int
    here: float | None
    there: float | None
    alone_here: float | None
    alone_there: float | None

    @property
    def excess(self) -> float:
        """What the op alone loses more here, as the error that would have to be added to the other's (squares add)."""
        here, there = self.alone_here, self.alone_there
        return 0.0 if here is None or there is None else max(here**2 - there**2, 0.0) ** 0.5


@dataclass(frozen=True)
class Kind:
    """Ops of one kind: how many, median of what they lose alone, and of how many it is notably more here."""

    kind: str
    count: int
    here: float
    there: float
    worse: int


@dataclass(frozen=True)
class Swap:
    """The other chip, emulated, with one property of this chip.

    Attributes:
        what: the property.
        parts: relative L2 of each part; None: not finite.
        agreement: AP against the float model's own detections; None where the head has none.
    """

    what: str
    parts: Mapping[str, float | None]
    agreement: float | None = None


@dataclass(frozen=True)
class ChipComparison:
    """Two chips with the same model, images and observer.

    Attributes:
        here, there: targets.
        where_here, where_there: what computed, in words.
        images: that vendors' tensors were compared on.
        same_grids, grids: tensors for which the same grid was asked of both; tensors that both have a grid for.
        rows: tensors that both make, in order of depth.
        only_here, only_there: tensors that only one of them makes: the other computes them as part of the next.
        parts: relative L2 of each part, as the vendors compute: here, there.
        metrics: name and values of the task metric, of all evaluation images: here, there; empty without one.
        swaps: which property of this chip costs how much: first the other chip, last this one, emulated.
        swap_images: that these were emulated on.
        facts: how many layers have which property (`here`, `there`).
    """

    here: str
    there: str
    where_here: str
    where_there: str
    images: int
    same_grids: int
    grids: int
    rows: tuple[ChipRow, ...]
    only_here: tuple[str, ...]
    only_there: tuple[str, ...]
    parts: Mapping[str, Sequence[float | None]]
    metrics: Mapping[str, Sequence[float]]
    swaps: tuple[Swap, ...]
    swap_images: int
    facts: Mapping[str, Mapping[str, int]]

    def first(self) -> ChipRow | None:
        """The first tensor, in order of depth, that is notably worse here, with all that came before."""
        return next((row for row in self.rows if is_worse(row.here, row.there)), None)

    def worst(self, most: int) -> list[ChipRow]:
        """Ops that lose most more here, each alone."""
        found = [row for row in self.rows if is_worse(row.alone_here, row.alone_there)]
        return sorted(found, key=lambda row: -row.excess)[:most]

    def kinds(self) -> list[Kind]:
        """Ops by kind, those first that are worse most often."""
        groups: dict[str, list[tuple[float, float]]] = {}
        for row in self.rows:
            if row.alone_here is not None and row.alone_there is not None:
                groups.setdefault(row.kind, []).append((row.alone_here, row.alone_there))
        found = [
            Kind(
                kind,
                len(pairs),
                statistics.median(here for here, _ in pairs),
                statistics.median(there for _, there in pairs),
                sum(is_worse(here, there) for here, there in pairs),
            )
            for kind, pairs in groups.items()
        ]
        return sorted(found, key=lambda kind: (-kind.worse, kind.kind))

    def to_json(self) -> dict[str, Any]:
        """The comparison as JSON data."""
        first = self.first()
        return {
            **self.__dict__,
            "rows": [dict(row.__dict__) for row in self.rows],
            "only_here": list(self.only_here),
            "only_there": list(self.only_there),
            "parts": {name: list(pair) for name, pair in self.parts.items()},
            "metrics": {name: list(pair) for name, pair in self.metrics.items()},
            "swaps": [{**swap.__dict__, "parts": dict(swap.parts)} for swap in self.swaps],
            "facts": {name: dict(counts) for name, counts in self.facts.items()},
            "kinds": [dict(kind.__dict__) for kind in self.kinds()],
            "first": None if first is None else first.tensor,
        }


def is_worse(here: float | None, there: float | None) -> bool:
    """Whether an error is notably larger than another; None is not finite, or not known of both."""
    if here is None or there is None:
        return here is None and there is not None
    return here > _RATIO * there and here - there > _LEAST


def joined_rows(model: Model, here: VendorLayers, there: VendorLayers) -> tuple[ChipRow, ...]:
    """Tensors that both chips make."""
    others = {row.tensor: row for row in there.tensors}
    kinds = _kinds(model)
    return tuple(_row(row, others[row.tensor], kinds) for row in here.tensors if row.tensor in others)


def same_grids(a: PrecisionPlan, b: PrecisionPlan) -> tuple[int, int]:
    """Tensors with the same grid in both plans, and tensors with a grid in both."""
    both = set(a.activations) & set(b.activations)
    return sum(a.activations[name].to_json() == b.activations[name].to_json() for name in both), len(both)


def properties(model: Model, plan: PrecisionPlan) -> dict[str, int]:
    """What a plan says of the layers with weights, and of its ops."""
    weights, biases = weight_names(model)
    grids = [plan.weights[name] for name in weights if name in plan.weights]
    return {
        "one step for the whole weight": sum(grid.axis is None for grid in grids),
        "a step for each channel": sum(grid.axis is not None for grid in grids),
        "biases of 16 bits": sum(plan.weights[name].bits == 16 for name in biases if name in plan.weights),
        "ops in float": sum(plan.ops.get(node.name or "", "float") == "float" for node in model.ir.graph),
        "unsigned grids": sum(grid.dtype.startswith("u") for grid in plan.activations.values()),
    }


def weight_names(model: Model) -> tuple[list[str], list[str]]:
    """Initialisers that are weights of a layer, and those that are biases."""
    weights, biases = dict[str, None](), dict[str, None]()
    for node in model.ir.graph:
        if node.op_type in _WEIGHTED:
            for index, found in ((1, weights), (2, biases)):
                value = node.inputs[index] if index < len(node.inputs) else None
                if value is not None and value.const_value is not None:
                    found[value.name or ""] = None
    return list(weights), [name for name in biases if name not in weights]


_WEIGHTED = frozenset({"Conv", "ConvTranspose", "Gemm", "MatMul"})


def _row(here: VendorTensor, there: VendorTensor, kinds: Mapping[str, str]) -> ChipRow:
    return ChipRow(
        here.tensor,
        here.name,
        kinds.get(here.op, here.op_type),
        here.depth,
        here.vendor,
        there.vendor,
        here.alone,
        there.alone,
    )


def _kinds(model: Model) -> dict[str, str]:
    return {node.name or "": "depthwise Conv" for node in model.ir.graph if _is_depthwise(node)}


def _is_depthwise(node: Any) -> bool:
    return bool(node.op_type == "Conv" and node.attributes.get_int("group", 1) > 1)


def only_in(a: Iterable[VendorTensor], b: VendorLayers) -> tuple[str, ...]:
    """Tensors of one chip that the other computes as part of the next one."""
    return tuple(row.tensor for row in a if row.tensor in b.fused)
