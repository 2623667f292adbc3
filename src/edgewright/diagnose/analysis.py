"""The result of an analysis, as a value that can be stored, ranked and shown."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from edgewright.diagnose.causes.base import MUCH
from edgewright.diagnose.tensor_error import TensorError
from edgewright.diagnose.vendor_layers import VendorLayers
from edgewright.findings import Finding
from edgewright.graph.regions import REGIONS
from edgewright.tasks.metric import Metric

_LOST = 0.5
"""Relative L2 from which on a part holds nothing that a decoder can use."""
_FLOAT_IS_WRONG = "EW211"


@dataclass(frozen=True)
class PartLoss:
    """One part of the outputs.

    Attributes:
        part: name.
        relative_l2: in the network that is quantised as planned, as the target computes it; None: not finite.
        floor: with every op at 16 bits; None: not finite, or not measured.
        noticed: relative L2 from which on the task notices.
    """

    part: str
    relative_l2: float | None
    floor: float | None
    noticed: float

    @property
    def is_hurt(self) -> bool:
        """Whether the task notices."""
        return self.relative_l2 is None or self.relative_l2 >= self.noticed


@dataclass(frozen=True)
class Analysis:
    """What every tensor loses, and why.

    Attributes:
        target, precision, observer: what was analysed.
        model: name and digest of the source model.
        head: family and task.
        images: numbers of images: "evaluation", "calibration", "measured" (errors of tensors), "effects",
            "floor".
        reference, metric: task metric of the source model and of the quantised one; None where there is none.
        drop: points lost.
        parts: the parts of the outputs.
        tensors: every tensor with a grid, in order of depth, network inputs first.
        followers: tensors that only move another one's values, with the tensor that owns their grid.
        regions: number of ops by region.
        unknown: tensors whose effect on the parts is not known.
        findings: what is wrong with the data first, then causes, then what else was noticed.
        facts: what else was decided: fusions, steps, seeds.
        vendor: what the toolchain's own build computes inside; None where it shows nothing or is the emulation itself.
    """

    target: str
    precision: str
    observer: str
    model: Mapping[str, Any]
    head: Mapping[str, Any]
    images: Mapping[str, int]
    reference: Metric | None
    metric: Metric | None
    drop: float | None
    parts: tuple[PartLoss, ...]
    tensors: tuple[TensorError, ...]
    followers: Mapping[str, str]
    regions: Mapping[str, int]
    unknown: tuple[str, ...]
    findings: tuple[Finding, ...]
    facts: Mapping[str, Any] = field(default_factory=dict)
    vendor: VendorLayers | None = None

    @property
    def is_void(self) -> bool:
        """Whether the float model itself is wrong on the labels, so that nothing is worth mending."""
        return bool(self.void)

    @property
    def void(self) -> list[Finding]:
        """What says so."""
        return [finding for finding in self.findings if finding.code == _FLOAT_IS_WRONG]

    @property
    def effect_parts(self) -> tuple[str, ...]:
        """Parts to which effects are known, in their order."""
        known = {part for error in self.tensors for part in error.effects}
        return tuple(loss.part for loss in self.parts if loss.part in known)

    def owners(self) -> list[TensorError]:
        """Tensors that own a grid: what only moves data loses nothing of its own."""
        return [error for error in self.tensors if error.tensor not in self.followers]

    def ranked(self) -> list[TensorError]:
        """Tensors that own a grid by what they do to the part that they hurt most, worst first.

        What wipes a part out comes before all others. Else an effect counts by how far it lies above what the task
        notices of its part, and tensors without effects by their isolated error.
        """
        noticed = {loss.part: loss.noticed for loss in self.parts}

        def key(error: TensorError) -> tuple[bool, float, int]:
            return not _wipes_out(error), -_severity(error, noticed), error.depth

        return sorted(self.owners(), key=key)

    def by_region(self) -> dict[str, dict[str, float]]:
        """Relative L2 by region and part that the ops of the region make together, as if independent of each other."""
        totals: dict[str, dict[str, float]] = {}
        for error in self.owners():
            for part, effect in error.effects.items():
                row = totals.setdefault(error.region, {})
                row[part] = math.hypot(row.get(part, 0.0), effect)
        return {region: totals[region] for region in REGIONS if region in totals}

    def worst_part(self) -> PartLoss | None:
        """The part that is furthest above what the task notices, what is lost before all others; None where none is.

        Boxes are compared over all positions, most of which see background: above all of them stands a part that holds
        nothing any more.
        """

        def badness(loss: PartLoss) -> tuple[bool, float]:
            error = _or_inf(loss.relative_l2)
            return error >= _LOST, error / loss.noticed

        return max((loss for loss in self.parts if loss.is_hurt), key=badness, default=None)

    def to_json(self) -> dict[str, Any]:
        """The analysis as JSON data."""
        return {
            **self.__dict__,
            "model": dict(self.model),
            "head": dict(self.head),
            "images": dict(self.images),
            "reference": self.reference.to_json() if self.reference else None,
            "metric": self.metric.to_json() if self.metric else None,
            "parts": [dict(loss.__dict__) for loss in self.parts],
            "tensors": [error.to_json() for error in self.tensors],
            "followers": dict(self.followers),
            "regions": dict(self.regions),
            "unknown": list(self.unknown),
            "findings": [finding.to_json() for finding in self.findings],
            "facts": dict(self.facts),
            "vendor": self.vendor.to_json() if self.vendor else None,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Analysis:
        """Inverse of `to_json`."""
        read = {
            "reference": Metric.from_json(data["reference"]) if data["reference"] else None,
            "metric": Metric.from_json(data["metric"]) if data["metric"] else None,
            "parts": tuple(PartLoss(**loss) for loss in data["parts"]),
            "tensors": tuple(TensorError.from_json(error) for error in data["tensors"]),
            "unknown": tuple(data["unknown"]),
            "vendor": VendorLayers.from_json(data["vendor"]) if data.get("vendor") else None,
            "findings": tuple(Finding.from_json(finding) for finding in data["findings"]),
        }
        return cls(**{**data, **read})


def merged(causes: Sequence[Finding], others: Iterable[Finding]) -> tuple[Finding, ...]:
    """Causes, then the others that do not say the same of the same node."""
    told = {(finding.code, finding.evidence.get("node")) for finding in causes}
    return (*causes, *(finding for finding in others if (finding.code, finding.where) not in told))


def _wipes_out(error: TensorError) -> bool:
    return any(effect >= _LOST for effect in error.effects.values())


def _severity(error: TensorError, noticed: Mapping[str, float]) -> float:
    if not error.effects:
        return _or_inf(error.isolated) / MUCH
    return max(effect / noticed.get(part, MUCH) for part, effect in error.effects.items())


def _or_inf(value: float | None) -> float:
    return math.inf if value is None else value
