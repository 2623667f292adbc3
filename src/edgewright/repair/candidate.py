"""A candidate: one way of building the model, with what was changed on the way to it."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from edgewright.files import digest_of
from edgewright.graph.model import Model
from edgewright.graph.regions import head_outputs
from edgewright.quant.observers import parse_observer
from edgewright.quant.plan import Precision, PrecisionPlan
from edgewright.quant.planner import QuantOptions, make_plan
from edgewright.quant.profile import FusionProfile
from edgewright.quant.statistics import Range, TensorStatistics


@dataclass(frozen=True)
class Applied:
    """A remedy that was applied.

    Attributes:
        remedy: its name.
        short: a few words for the table.
        text: what was done, one sentence with its figures.
        facts: the same as JSON data.
    """

    remedy: str
    short: str
    text: str
    facts: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """The entry as JSON data."""
        return {"remedy": self.remedy, "short": self.short, "text": self.text, "facts": dict(self.facts)}


@dataclass(frozen=True)
class Candidate:
    """One way of building the model.

    Attributes:
        model: the graph to build.
        whole: float graph from the inputs to the outputs of the source model, with the tensor names of `model`: what
            derivatives are taken of.
        ops: precision asked for each op, by node name; ops that are missing run in float.
        observer: how ranges are taken.
        ranges: ranges chosen for activations one by one; they go before the observer.
        restore: computes the source model's outputs from those of `model`; None when they are the same.
        applied: what was done, in order.
        reasons: why an op is not in the default precision, by node name.
        plain: `model` before its weights and biases were adapted to the plan; None where they were not.
    """

    model: Model
    whole: Model
    ops: Mapping[str, Precision]
    observer: str
    ranges: Mapping[str, Range] = field(default_factory=dict)
    restore: Model | None = None
    applied: tuple[Applied, ...] = ()
    reasons: Mapping[str, str] = field(default_factory=dict)
    plain: Model | None = None

    @functools.cached_property
    def digest(self) -> str:
        """SHA-256 of everything that decides what is built."""
        return digest_of(
            {
                "model": self.model.digest,
                "restore": self.restore.digest if self.restore is not None else None,
                "ops": dict(self.ops),
                "observer": self.observer,
                "ranges": {name: list(ends) for name, ends in self.ranges.items()},
            }
        )

    @property
    def name(self) -> str:
        """A name for the table: the precision and what was done."""
        widths = set(self.ops.values())
        return ", ".join(["int16" if widths == {"int16"} else "int8", *(entry.short for entry in self.applied)])

    def with_remedy(self, applied: Applied, **changes: Any) -> Candidate:
        """This candidate after a remedy; one of the same name that was applied before is replaced."""
        before = tuple(entry for entry in self.applied if entry.remedy != applied.remedy)
        return replace(self, applied=(*before, applied), **changes)


@dataclass(frozen=True)
class PlanMaker:
    """Makes the plan of any candidate for one target.

    Attributes:
        profile: the target's fusions.
        options: symmetric or not, code types; `observer`, `ranges` and `unclipped` come from the candidate.
    """

    profile: FusionProfile
    options: QuantOptions

    def plan(self, candidate: Candidate, statistics: Mapping[str, TensorStatistics]) -> PrecisionPlan:
        """The precision plan of a candidate.

        Args:
            statistics: of the activations of the candidate's model.
        """
        options = replace(
            self.options,
            observer=parse_observer(candidate.observer),
            ranges=candidate.ranges,
            unclipped=frozenset(head_outputs(candidate.whole, self.profile.fused_activations)),
        )
        return make_plan(candidate.model, self.profile, statistics, candidate.ops, options, candidate.reasons)
