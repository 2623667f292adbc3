"""The bench on which a repair is searched: calibration images to fit and to try on, the target to confirm on."""

from __future__ import annotations

import functools
import itertools
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from edgewright.errors import ToolchainError
from edgewright.files import write_json_atomic
from edgewright.findings import Finding, Severity
from edgewright.graph.macs import count_macs
from edgewright.graph.model import Model
from edgewright.graph.reference import Feeds, Outputs, ReferenceSession
from edgewright.graph.rewrites import Restorer
from edgewright.quant.collect import collect_statistics
from edgewright.quant.layout import observable
from edgewright.quant.observers import parse_observer
from edgewright.quant.plan import PrecisionPlan
from edgewright.quant.planner import QuantOptions
from edgewright.quant.statistics import TensorStatistics, load_statistics, save_statistics
from edgewright.repair.bench import Confirmation, Material, Trial
from edgewright.repair.candidate import Candidate, PlanMaker
from edgewright.repair.cost import Cost, cost_of
from edgewright.targets.backend import Backend, Drafting, emulation_of
from edgewright.toolchains.environments import ToolchainMissing
from edgewright.verify.verdict import Limits, drop_of
from edgewright.workflow.calibrated import Calibrated
from edgewright.workflow.inputs import ImageFiles
from edgewright.workflow.measured import network_inputs
from edgewright.workflow.recipe import QuantiseSection
from edgewright.workflow.timing import time_variants, toolchain_latency
from edgewright.workflow.trials import Trials
from edgewright.workflow.variants import Built, Workshop

JOURNAL = "search.json"
_NEW_IMAGES = 32
"""Images that tensors are calibrated on which a rewrite made."""


@dataclass
class RepairBench:
    """See `repair.bench.Bench`.

    Attributes:
        workshop: builds and measures.
        calibrated: statistics with histograms of the prepared model.
        calibration: the calibration images.
        allowed: what counts as passed.
        deadline: when to stop, of `time.monotonic`; infinite without a limit.
        precision: "int8" or "int16", for the table.
        findings: what static rules say of a candidate.
        timed: whether candidates are timed beside the first one that was built.
        float_artifact: what the toolchain's own figure of the time is compared with, where it gives one.
        built: what was built, in order, with its candidate.
    """

    workshop: Workshop
    calibrated: Calibrated
    calibration: ImageFiles
    allowed: Limits
    deadline: float
    material: Material
    precision: str = "int8"
    findings: Callable[[Candidate, PrecisionPlan], tuple[Finding, ...]] | None = None
    timed: bool = False
    float_artifact: Built | None = None
    built: list[tuple[Candidate, Built]] = field(default_factory=list)
    _plans: dict[str, PrecisionPlan] = field(default_factory=dict, repr=False)
    _drafts: set[str] = field(default_factory=set, repr=False)

    def statistics(self, candidate: Candidate) -> Mapping[str, TensorStatistics]:
        """Those of the prepared model, and of what rewrites made."""
        known = self.calibrated.statistics
        new = [name for name in observable(candidate.model, self.material.maker.profile) if name not in known]
        return {**known, **self._new_statistics(candidate.model, tuple(new))} if new else known

    def fit_feeds(self, most: int) -> Iterator[Feeds]:
        """Every other calibration image."""
        fit, _ = _split(self.calibration)
        return iter(network_inputs(fit.spread(most), self.workshop.task))

    def trial(self, candidate: Candidate, images: int) -> Trial:
        """The candidate's plan, emulated."""
        key = {"candidate": candidate.digest, "images": images, **self._scope}

        def compute(folder: Path) -> dict[str, Any]:
            del folder
            with self.workshop.progress.step(f"try {candidate.name}"):
                return self._trials.trial(self._emulated(candidate), images).to_json()

        return Trial.from_json(self._stage("trial", key, compute)[0])

    def confirm(self, candidate: Candidate, *, draft: bool = False) -> Confirmation:
        """Build for the target and measure on the evaluation images. What the toolchain cannot do is no repair."""
        cost = self.cost(candidate)
        try:
            built = self._build(candidate, draft=draft)
        except ToolchainMissing:
            raise
        except ToolchainError as error:
            return Confirmation(candidate.name, None, None, {}, passed=False, cost=cost, failed=str(error))
        return Confirmation(
            name=built.name,
            metric=built.metric,
            drop=drop_of(built.reference_metric, built.metric),
            parts={error.part: error.relative_l2 for error in built.errors},
            passed=self._passes(built),
            cost=replace(cost, latency=self._latency(built)),
            provisional=candidate.digest in self._drafts and self._passes(built),
            beside_float=self._beside_float(built),
        )

    def cost(self, candidate: Candidate) -> Cost:
        """Shares of MACs and conversions."""
        profile = self.material.maker.profile
        return cost_of(candidate.model, profile, self.plan(candidate), self.material.whole_macs)

    def kept(
        self, name: str, key: Mapping[str, Any], compute: Callable[[Path], dict[str, Any]]
    ) -> tuple[dict[str, Any], Path]:
        """A stage of the run directory."""

        def told(folder: Path) -> dict[str, Any]:
            with self.workshop.progress.step(name):
                return compute(folder)

        return self._stage(name, {**key, **self._scope}, told)

    def save(self, journal: Mapping[str, Any]) -> None:
        """Written beside the report, so that what was reached survives whatever comes next."""
        write_json_atomic(self.workshop.run.path / JOURNAL, dict(journal))

    def seconds_left(self) -> float:
        """Until the deadline."""
        return self.deadline - time.monotonic()

    def tell(self, text: str) -> None:
        """A step without an end of its own."""
        with self.workshop.progress.step(text):
            pass

    @property
    def _scope(self) -> dict[str, Any]:
        """What every result depends on besides the candidate."""
        return {
            **self.workshop.key,
            "calibration": self.calibration.key,
            "head": self.workshop.task.head.to_json(),
            "contract": self.workshop.task.contract.model_dump(mode="json"),
            "seed": self.material.seed,
        }

    def _stage(
        self, name: str, key: Mapping[str, Any], compute: Callable[[Path], dict[str, Any]]
    ) -> tuple[dict[str, Any], Path]:
        result = self.workshop.run.stage(name, key, compute)
        return result.data, result.folder

    @functools.cached_property
    def _trials(self) -> Trials:
        _, tried = _split(self.calibration)
        return Trials(self.workshop.task, self.calibrated.model, tried)

    def plan(self, candidate: Candidate) -> PrecisionPlan:
        """How the candidate is built."""
        if candidate.digest not in self._plans:
            self._plans[candidate.digest] = self.material.maker.plan(candidate, self.statistics(candidate))
        return self._plans[candidate.digest]

    def _emulated(self, candidate: Candidate) -> Callable[[Feeds], Outputs]:
        emulation = emulation_of(self.workshop.backend, candidate.model, self.plan(candidate))
        session = ReferenceSession(emulation.data, name=candidate.name)
        restorer = Restorer(candidate.restore)
        return lambda feeds: restorer(session(feeds))

    def _build(self, candidate: Candidate, *, draft: bool) -> Built:
        """What was built of a candidate: a draft tells whether it is worth the compiler's time, and no more."""
        for known, built in self.built:
            if known.digest == candidate.digest and (draft or candidate.digest not in self._drafts):
                return built
        built = self._make(candidate, draft=True)
        if isinstance(self.workshop.backend, Drafting):
            self._drafts.add(candidate.digest)
            if self._passes(built) and not draft:
                built = self._make(candidate, draft=False)
                self._drafts.discard(candidate.digest)
        self.built[:] = [pair for pair in self.built if pair[0].digest != candidate.digest]
        self.built.append((candidate, built))
        return built

    def _make(self, candidate: Candidate, *, draft: bool) -> Built:
        plan = self.plan(candidate)
        told = self.findings(candidate, plan) if self.findings is not None else ()
        steps = (*told, *_steps(candidate))
        model, restore = candidate.model, candidate.restore
        return self.workshop.make(candidate.name, self.precision, plan, steps, model, restore, draft=draft)

    def _passes(self, built: Built) -> bool:
        return built.judge(self.allowed, None, "", "passed").verdict != "failed"

    def _latency(self, built: Built) -> float | None:
        """Time of a run relative to that of the first variant; None where it is not asked for."""
        first = self.built[0][1]
        if not self.timed or built is first:
            return None
        found = time_variants(self.workshop.run, self._scope, self.workshop, [first, built])
        return found[built.name].median_ms / max(found[first.name].median_ms, 1e-6)

    def _beside_float(self, built: Built) -> float | None:
        """Time of a run over that of the float artifact, as the toolchain tells both; a draft has none."""
        source = self.workshop.backend.capabilities().latency
        told = toolchain_latency(built, source)
        in_float = toolchain_latency(self.float_artifact, source) if self.float_artifact is not None else None
        if told is None or in_float is None or in_float.median_ms <= 0:
            return None
        return told.median_ms / in_float.median_ms

    def _new_statistics(self, model: Model, names: tuple[str, ...]) -> Mapping[str, TensorStatistics]:
        key = {"model": model.digest, "tensors": list(names)}

        def compute(folder: Path) -> dict[str, Any]:
            feeds = itertools.islice(self.fit_feeds(_NEW_IMAGES), _NEW_IMAGES)
            save_statistics(folder / "statistics.npz", collect_statistics(model, names, feeds, histogram=True))
            return {}

        _, folder = self.kept("calibrate rewritten", key, compute)
        return load_statistics(folder / "statistics.npz")


def _split(images: ImageFiles) -> tuple[ImageFiles, ImageFiles]:
    """Images to fit on and images to try on; the same ones where there are too few to divide."""
    if len(images.paths) < 8:
        return images, images
    return (
        ImageFiles(images.paths[::2], images.digests[::2], images.skipped),
        ImageFiles(images.paths[1::2], images.digests[1::2], images.skipped),
    )


def _steps(candidate: Candidate) -> list[Finding]:
    return [
        Finding("EW604", Severity.INFO, applied.remedy, applied.text, dict(applied.facts))
        for applied in candidate.applied
    ]


@dataclass(frozen=True)
class ExpectedPlans(PlanMaker):
    """Makes plans as the target is expected to compute them, so that biases and rounding fit what will be built.

    Attributes:
        expected: see `targets.backend.Backend.expected_plan`.
    """

    expected: Callable[[Model, PrecisionPlan], PrecisionPlan]

    def plan(self, candidate: Candidate, statistics: Mapping[str, TensorStatistics]) -> PrecisionPlan:
        """See `PlanMaker.plan`."""
        return self.expected(candidate.model, super().plan(candidate, statistics))


def plan_maker(calibrated: Calibrated, section: QuantiseSection, backend: Backend) -> PlanMaker:
    """Makes plans under the user's options, as the target will take them."""
    options = QuantOptions(
        observer=parse_observer("minmax"),
        symmetric=section.symmetric or calibrated.profile.symmetric_activations,
        activation_dtype=section.activation,
        per_channel=section.per_channel,
    )
    return ExpectedPlans(calibrated.profile, options, backend.expected_plan)


def whole_macs(model: Model) -> int:
    """Multiply-accumulates of a network."""
    return sum(count_macs(model).values())
