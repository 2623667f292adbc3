"""What a search found: every candidate that was looked at, the best, and the front of those that none beats."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from edgewright.repair.bench import Confirmation, Trial
from edgewright.repair.candidate import Candidate
from edgewright.repair.cost import Cost
from edgewright.verify.latency import FASTER


@dataclass(frozen=True)
class Entry:
    """A candidate with what is known of it.

    Attributes:
        trial: the one on most images.
        beyond: it uses more than was allowed; measured to tell what would suffice.
    """

    candidate: Candidate
    cost: Cost
    trial: Trial | None
    confirmation: Confirmation | None
    beyond: bool = False

    def with_figures(self, trial: Trial | None, confirmation: Confirmation | None) -> Entry:
        """The entry with newer figures."""
        kept = self.trial if trial is None or (self.trial and self.trial.images > trial.images) else trial
        return replace(self, trial=kept, confirmation=confirmation or self.confirmation)

    @property
    def measured(self) -> bool:
        """Whether it has figures of what would ship, and uses no more than was allowed."""
        return self.confirmation is not None and not self.confirmation.provisional and not self.beyond

    @property
    def passed(self) -> bool:
        """Whether it was confirmed to be within the limits."""
        return self.measured and self.confirmation is not None and self.confirmation.passed

    @property
    def suffices(self) -> bool:
        """Whether it passed and is quicker than float, as far as the toolchain tells: else float would be better."""
        return self.passed and self.time < FASTER

    @property
    def time(self) -> float:
        """Time of a run over that of float, to the percent: less is not worth a costlier network; 0: not told."""
        told = self.confirmation.beside_float if self.confirmation else None
        return round(told, 2) if told is not None else 0.0

    def to_json(self) -> dict[str, Any]:
        """The entry as JSON data."""
        trial = self.trial
        return {
            "name": self.candidate.name,
            "beyond": self.beyond,
            "remedies": [entry.to_json() for entry in self.candidate.applied],
            "cost": self.cost.to_json(),
            "trial": None
            if trial is None
            else {
                "images": trial.images,
                "relative_l2": trial.damage.by_part,
                "metric": trial.metric.to_json() if trial.metric else None,
            },
            "confirmation": self.confirmation.to_json() if self.confirmation else None,
        }


@dataclass(frozen=True)
class SearchResult:
    """All candidates in the order of the search.

    Attributes:
        entries: everything that was tried.
        ended: why the search ended early; empty when it came to its end.
        refused: remedies that would have changed what the model computes, and how that was seen.
    """

    entries: tuple[Entry, ...]
    ended: str = ""
    refused: Mapping[str, str] = field(default_factory=dict)

    @property
    def confirmed(self) -> tuple[Entry, ...]:
        """Entries that were measured on all evaluation images with what was allowed, in order."""
        return tuple(entry for entry in self.entries if entry.measured)

    @property
    def beyond(self) -> Entry | None:
        """What was measured to tell what would suffice."""
        return next((entry for entry in self.entries if entry.beyond), None)

    @property
    def best(self) -> Entry | None:
        """The quickest that passed, or the cheapest where no time is known; else the one that lost least."""
        passed = [entry for entry in self.confirmed if entry.passed]
        if passed:
            return min(passed, key=lambda entry: (entry.time, entry.cost.rank))
        return min(self.confirmed, key=loss, default=None)

    @property
    def front(self) -> tuple[Entry, ...]:
        """Confirmed entries that no other beats in both cost and loss, from cheap to dear."""
        kept: list[Entry] = []
        for entry in sorted(self.confirmed, key=lambda entry: (entry.cost.rank, loss(entry))):
            if not kept or loss(entry) < loss(kept[-1]):
                kept.append(entry)
        return tuple(kept)

    def to_json(self) -> dict[str, Any]:
        """The result as JSON data."""
        best = self.best
        return {
            "schema": 1,
            "ended": self.ended,
            "refused": dict(self.refused),
            "best": best.candidate.name if best else None,
            "passed": bool(best and best.passed),
            "front": [entry.candidate.name for entry in self.front],
            "entries": [entry.to_json() for entry in self.entries],
        }


def loss(entry: Entry) -> float:
    """Drop of the task metric; without one, the largest error of a part."""
    confirmation = entry.confirmation
    if confirmation is None or confirmation.failed:
        return float("inf")
    if confirmation.drop is not None:
        return confirmation.drop
    errors = [float("inf") if error is None else error for error in confirmation.parts.values()]
    return max(errors, default=0.0)
