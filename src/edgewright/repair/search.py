"""The search for the cheapest repair that suffices.

1. where boxes and scores meet: rewrites that keep them apart, the decode tail on the host or in float;
2. what costs nothing at run time: forms, ranges, biases, rounding;
3. wider types for as few MACs as suffice: 16 bits, then float;
4. where there are no 16 bits and a few ops in float do not suffice, channels apart.

What to do is chosen on calibration images against the float model; whether it suffices is confirmed on the evaluation
images, on the target. A change that the images cannot tell from noise is not kept.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace

from edgewright.graph.rewrites import InexactRewrite
from edgewright.repair.bench import Bench, Confirmation, Trial
from edgewright.repair.budget import Budget
from edgewright.repair.candidate import Candidate
from edgewright.repair.damage import is_less
from edgewright.repair.degrees import Degrees
from edgewright.repair.remedies import REMEDIES, Kind, Remedy
from edgewright.repair.result import Entry, SearchResult
from edgewright.repair.widen import WIDENINGS, throughout

TRIALS = (4, 12, 48)
"""Images of a trial: a few, and for what these cannot tell apart, more."""
_TAIL = ("rescale-boxes", "split-outputs", "cut-tail", "float-tail")
_FORMS = ("plain-forms", "equalise", "split-joins", "ranges")
_APART = "split-channels"


class OutOfTime(Exception):
    """The time limit was reached."""


@dataclass
class Search:
    """One search.

    Attributes:
        bench: images, target, time.
        budget: what may be spent.
        allowed: kinds of remedies that may be used.
        most: largest number of confirmations.
    """

    bench: Bench
    budget: Budget
    allowed: Collection[Kind]
    most: int = 25

    def run(self, start: Candidate) -> SearchResult:
        """Search from a candidate that fell short."""
        self.entries: list[Entry] = []
        self._barred: set[str] = set()
        self._refused: dict[str, str] = {}
        ended = ""
        try:
            self._run(start)
        except OutOfTime as reason:
            ended = str(reason)
            self._settle()
        result = SearchResult(tuple(self.entries), ended, self._refused)
        self.bench.save(result.to_json())
        return result

    def _run(self, start: Candidate) -> None:
        if self._confirmed(start):
            return
        best = self._rounded(self._formed(start))
        if self._confirmed(best):
            return
        best = self._widened(best)
        if self._entry(best).suffices:  # what takes as long as float is kept, and no reason to stop
            return
        # not before: channels apart leave lanes of a chip idle, so a few ops in float take less time
        apart = self._split(start, best)
        if apart is not best and not self._confirmed(apart):
            best = self._widened(apart)
        if not any(entry.passed for entry in self.entries):
            self._look_beyond(best)

    def _formed(self, start: Candidate) -> Candidate:
        """The graph, the ranges and the biases that damage least."""
        while True:
            best = self._free(self._apart(start), "bias-correction")
            if self._confirmed(best) or not self._barred_from(best, start):
                return best

    def _rounded(self, best: Candidate) -> Candidate:
        """Weights rounded by data, where what is best so far does not pass and that is better."""
        return best if self._confirmed(best) else self._free(best, "weight-rounding")

    def _widened(self, best: Candidate) -> Candidate:
        """Wider types for as few MACs as suffice."""
        degrees = Degrees(self.bench, self.budget, self._confirmed, self._better)
        for widening in WIDENINGS:
            if widening.kind not in self.allowed:
                continue
            self._check_time()
            best, passed = degrees.widened(best, widening)
            if passed:
                break
        return best

    def _split(self, start: Candidate, best: Candidate) -> Candidate:
        """Channels apart, or what was best before where that is no better.

        Forms, ranges and biases are looked for anew: what they mend is not seen beside channels that are lost.
        """
        split = self._proposed(_APART, start)
        if split is None:
            return best
        found = self._rounded(self._formed(split))
        return found if self._confirmed(found) or self._better(found, best) else best

    def _look_beyond(self, best: Candidate) -> None:
        """Measure 16 bits throughout, allowed or not: what is left then, no wider type mends."""
        wide = throughout(best, self.bench)
        if wide is None or any(entry.candidate.digest == wide.digest for entry in self.entries):
            return
        if "16bit" in self.allowed and not self.budget.exceeded_by(self.bench.cost(wide)):
            self._confirmed(wide)
        elif self._may_confirm():
            self.entries.append(Entry(wide, self.bench.cost(wide), None, self.bench.confirm(wide), beyond=True))

    def _apart(self, start: Candidate) -> Candidate:
        """The graph and the ranges: forms and ranges that help, and the cheapest way of keeping boxes and scores apart.

        Forms and ranges are found on the whole graph, but boxes and scores that meet on one grid would hide whether
        they help: so each is tried beneath the way of the moment, and the ways are compared again at the end.
        """
        best = self._cheapest_way(start)
        for name in _FORMS:
            way = _way_of(best)
            formed = self._proposed(name, start)
            candidate = formed if formed is None or way is None else self._proposed(way, formed)
            if formed is not None and candidate is not None and self._better(candidate, best):
                start, best = formed, candidate
        return self._cheapest_way(start)

    def _cheapest_way(self, start: Candidate) -> Candidate:
        """The first way that no other one clearly beats."""
        ways = [start, *(found for name in _TAIL if (found := self._proposed(name, start)) is not None)]
        best = ways[0]
        for way in ways[1:]:
            best = way if self._better(way, best) else best
        return best

    def _free(self, best: Candidate, name: str) -> Candidate:
        candidate = self._proposed(name, best)
        return candidate if candidate is not None and self._better(candidate, best) else best

    def _barred_from(self, candidate: Candidate, start: Candidate) -> bool:
        """Whether the candidate could not be built, and a rewrite since `start` will not be proposed again."""
        confirmation = self._entry(candidate).confirmation
        before = {entry.remedy for entry in start.applied}
        applied = [entry.remedy for entry in candidate.applied if entry.remedy not in before]
        rewrites = [name for name in applied if REMEDIES.get(name).kind != "calibration"]
        if confirmation is None or not confirmation.failed or not rewrites:
            return False
        self._barred.add(rewrites[-1])
        return True

    def _proposed(self, name: str, candidate: Candidate) -> Candidate | None:
        remedy: Remedy = REMEDIES.get(name)
        if remedy.kind not in self.allowed or name in self._barred:
            return None
        self._check_time()
        self.bench.tell(f"try {name}")
        try:
            found = remedy.propose(candidate, self.bench)
        except InexactRewrite as error:  # never used, and no reason to give up the others
            self._barred.add(name)
            self._refused[name] = f"{error.what}: {error.why}"
            return None
        if found is not None and self.budget.exceeded_by(self.bench.cost(found)):
            return None
        return found

    def _better(self, candidate: Candidate, than: Candidate) -> bool:
        """Whether it damages less, by more than the images can resolve; more images are asked where few cannot tell."""
        for images in TRIALS:
            ours, theirs = self._trial(candidate, images).damage, self._trial(than, images).damage
            if ours.same_as(theirs):
                return False
            if is_less(ours, theirs) != is_less(theirs, ours):
                return is_less(ours, theirs)
        return False

    def _trial(self, candidate: Candidate, images: int) -> Trial:
        self._check_time()
        trial = self.bench.trial(candidate, images)
        self._note(candidate, trial, None)
        return trial

    def _confirmed(self, candidate: Candidate, *, draft: bool = False) -> bool:
        """Whether a candidate passes on the target; what passed as a draft is built in full unless that suffices."""
        before = self._entry(candidate).confirmation
        if before is not None and (draft or not before.provisional):
            return before.passed
        if before is None and not self._may_confirm():
            raise OutOfTime(f"{self.most} evaluations on all images are done")
        return self._confirm(candidate, draft=draft)

    def _confirm(self, candidate: Candidate, *, draft: bool) -> bool:
        confirmation = self.bench.confirm(candidate, draft=draft)
        passed = confirmation.passed and not self.budget.exceeded_by(confirmation.cost)
        self._note(candidate, None, replace(confirmation, passed=passed))
        return passed

    def _entry(self, candidate: Candidate) -> Entry:
        """What is known of a candidate; nothing, if it is new."""
        known = (entry for entry in self.entries if entry.candidate.digest == candidate.digest)
        return next(known, Entry(candidate, self.bench.cost(candidate), None, None))

    def _settle(self) -> None:
        """Build the cheapest that passed as a draft when time ran out before anything else passed."""
        told = [(entry, entry.confirmation) for entry in self.entries if entry.confirmation is not None]
        drafts = [entry for entry, confirmation in told if confirmation.provisional and confirmation.passed]
        if drafts and not any(entry.passed for entry in self.entries):
            self._confirm(min(drafts, key=lambda entry: entry.cost.rank).candidate, draft=False)

    def _may_confirm(self) -> bool:
        self._check_time()
        return sum(entry.confirmation is not None for entry in self.entries) < self.most

    def _note(self, candidate: Candidate, trial: Trial | None, confirmation: Confirmation | None) -> None:
        for index, entry in enumerate(self.entries):
            if entry.candidate.digest == candidate.digest:
                self.entries[index] = entry.with_figures(trial, confirmation)
                break
        else:
            self.entries.append(Entry(candidate, self.bench.cost(candidate), trial, confirmation))
        if confirmation is not None:
            self.bench.save(SearchResult(tuple(self.entries), "", self._refused).to_json())

    def _check_time(self) -> None:
        if self.bench.seconds_left() <= 0:
            raise OutOfTime("the time limit is reached")


def _way_of(candidate: Candidate) -> str | None:
    """Which way of keeping boxes and scores apart a candidate has."""
    return next((entry.remedy for entry in candidate.applied if entry.remedy in _TAIL), None)
