"""How many steps of a widening to take: the fewest that suffice."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from edgewright.repair.bench import Bench
from edgewright.repair.budget import Budget
from edgewright.repair.candidate import Candidate
from edgewright.repair.thin import thin_out
from edgewright.repair.widen import Widening
from edgewright.repair.widening import Step, worthwhile


class Confirms(Protocol):
    """Tells whether a candidate passes on the target; where a draft suffices, less is built."""

    def __call__(self, candidate: Candidate, *, draft: bool = False) -> bool:
        """Build and measure it, unless that is done."""


class Compares(Protocol):
    """Tells whether one candidate damages less than another, by more than the images can resolve."""

    def __call__(self, candidate: Candidate, than: Candidate) -> bool:
        """Try both on calibration images."""


@dataclass(frozen=True)
class Degrees:
    """The part of a search that weighs how far to go.

    Attributes:
        bench, budget: see `repair.search.Search`.
        confirmed, better: what a search knows of candidates.
    """

    bench: Bench
    budget: Budget
    confirmed: Confirms
    better: Compares

    def widened(self, best: Candidate, widening: Widening) -> tuple[Candidate, bool]:
        """The fewest steps that pass; all of them, and False, where even they do not."""
        limit = self.budget.limit(widening.budget)
        steps: Sequence[Step] = widening.steps(best, self.bench, 1.0 if limit is None else limit)
        steps = self._affordable(best, widening, steps)
        if not steps:
            return best, False
        few, many = 0, worthwhile(steps)
        while True:
            if self.confirmed(widening.widened(best, steps[:many], self.bench), draft=True):
                found = self._trimmed(best, widening, steps, few, many)
                if self.confirmed(found):
                    return found, True
            if many == len(steps):
                whole = widening.widened(best, steps, self.bench)
                return (whole if self.better(whole, best) else best), False
            few, many = many, min(len(steps), 2 * many + 1)

    def _trimmed(self, best: Candidate, widening: Widening, steps: Sequence[Step], few: int, many: int) -> Candidate:
        """The candidate with the fewest of `many` steps that pass where `few` do not; drafts suffice to tell."""
        if few:
            many = self._fewest(best, widening, steps, few, many)
        kept = thin_out(steps[:many], lambda chosen: self._as_good(widening, best, chosen, steps[:many]))
        thinner = widening.widened(best, kept, self.bench)
        if len(kept) < many and self.confirmed(thinner, draft=True):
            return thinner
        return widening.widened(best, steps[:many], self.bench)

    def _fewest(self, best: Candidate, widening: Widening, steps: Sequence[Step], few: int, many: int) -> int:
        """Bisect between a number of steps that failed and one that passed."""
        while many - few > max(1, few // 4):  # the images do not resolve more than that
            middle = (few + many) // 2
            if self.confirmed(widening.widened(best, steps[:middle], self.bench), draft=True):
                many = middle
            else:
                few = middle
        return many

    def _as_good(self, widening: Widening, best: Candidate, some: Sequence[Step], steps: Sequence[Step]) -> bool:
        return not self.better(widening.widened(best, steps, self.bench), widening.widened(best, some, self.bench))

    def _affordable(self, best: Candidate, widening: Widening, steps: Sequence[Step]) -> Sequence[Step]:
        """The longest prefix within the budget; shares of MACs are kept already, other limits are not."""
        while steps and self.budget.exceeded_by(self.bench.cost(widening.widened(best, steps, self.bench))):
            steps = steps[: len(steps) * 3 // 4]
        return steps
