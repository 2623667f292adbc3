"""Quantised variants of one precision: everything in it, and if that falls short, the search for a repair."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from edgewright.errors import UserError
from edgewright.findings import Finding, Severity
from edgewright.graph.model import Model
from edgewright.quant.layout import default_precisions
from edgewright.quant.plan import Precision, PrecisionPlan
from edgewright.quant.profile import FusionProfile
from edgewright.repair.account import nothing_suffices, refused, unbuilt
from edgewright.repair.bench import Material
from edgewright.repair.budget import Budget, parse_budget
from edgewright.repair.candidate import Candidate
from edgewright.repair.result import SearchResult
from edgewright.repair.search import Search
from edgewright.verify.verdict import Limits
from edgewright.workflow.bench import JOURNAL, RepairBench, plan_maker, whole_macs
from edgewright.workflow.calibrated import Calibrated
from edgewright.workflow.inputs import ImageFiles
from edgewright.workflow.prepared import PreparedModel
from edgewright.workflow.recipe import AUTO, Recipe
from edgewright.workflow.variants import Built, Workshop
from edgewright.workflow.vendor_rows import VendorRows, bare

TRIAL_IMAGES = 64
"""Calibration images whose histograms are taken when a repair needs them: so many say what all of them would, and a
pass for histograms costs three times one for ranges."""
USUAL = "minmax"
"""The observer where none was asked for. It clips nothing, so that what falls short is not the fault of a guess."""


@dataclass(frozen=True)
class Quantised:
    """Variants of one precision.

    Attributes:
        built: in the order of the table; the last one of ours ships if it passed.
        repair: the search for a repair as JSON data; None where there was none.
        findings: what the search says as a whole.
    """

    built: tuple[Built, ...]
    repair: Mapping[str, Any] | None = None
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True)
class Quantiser:
    """What making quantised variants needs.

    Attributes:
        recipe, workshop, evaluation: see `workflow.deploy`.
        allowed: what counts as passed.
        calibrate: statistics for an observer's name, from all images or from so many.
        may_repair: false where nothing is worth mending, for the float model itself is wrong.
        float_artifact: what a repair should not be slower than.
    """

    recipe: Recipe
    workshop: Workshop
    evaluation: ImageFiles
    allowed: Limits
    calibrate: Callable[[str, int | None], Calibrated]
    may_repair: bool = True
    float_artifact: Built | None = None

    def variants(self, precision: Precision) -> Quantised:
        """Build and measure, and search for a repair where that falls short."""
        observer = self.recipe.quantise.observer
        calibrated = self.calibrate(USUAL if observer == AUTO else observer, None)
        plan = calibrated.plan(precision)
        checked = tuple(calibrated.check(plan, self.evaluation))
        mend = self.recipe.verify.repair and self.may_repair
        first = self.workshop.make(precision, precision, plan, checked, draft=mend)
        if mend and not self._falls_short(first):
            first = self.workshop.make(precision, precision, plan, checked)
        rows = VendorRows(self.workshop, calibrated.images, self.recipe.quantise.vendor_calibration)
        compared = rows.of_plan(calibrated.model, plan, precision)
        if not (mend and all(self._falls_short(one) for one in (first, *compared))):
            (self.workshop.run.path / JOURNAL).unlink(missing_ok=True)  # of an older run: nothing was searched here
            return Quantised((first, *compared), findings=tuple(rows.findings))
        budget = self._budget()
        bench = self._bench(calibrated, precision, budget)
        start = _start(calibrated, precision)
        bench.built.append((start, first))
        result = Search(bench, budget, self.recipe.repair.allow).run(start)
        told = self._told(bench, result, start, precision)
        if result.best is not None:
            best = bare(result.best.candidate, USUAL)
            if best.digest != start.digest:
                compared += rows.of_candidate(best, bench.plan(best), precision)
        first, *others = told.built
        return replace(told, built=(first, *compared, *others), findings=(*told.findings, *rows.findings))

    def _told(self, bench: RepairBench, result: SearchResult, start: Candidate, precision: str) -> Quantised:
        """The rows that a reader wants to see: the start, what no other beats, and last the best, which ships."""
        settings = self.recipe.repair
        best = result.best.candidate.digest if result.best else ""
        shown = {start.digest, best, *(entry.candidate.digest for entry in result.front)}
        order = sorted(bench.built, key=lambda pair: (pair[0].digest == best, pair[0].digest != start.digest))
        short = nothing_suffices(result, precision, settings.allow, settings.budget)
        said = {"precision": precision, "allow": list(settings.allow), "budget": settings.budget}
        return Quantised(
            built=tuple(built for candidate, built in order if candidate.digest in shown),
            repair={**result.to_json(), **said},
            findings=(*unbuilt(result), *refused(result), *(() if short is None else (short,))),
        )

    def _budget(self) -> Budget:
        """The budget, once it is known that the target can tell what it limits.

        Raises:
            UserError: it limits the latency, and there is none.
        """
        budget = parse_budget(self.recipe.repair.budget)
        if budget.needs_latency and self.workshop.backend.capabilities().latency != "measured":
            raise UserError(
                f"the budget limits the latency, but {self.recipe.target} cannot be timed here",
                where="--budget",
                todo="limit int16-macs, float-macs or conversions instead",
            )
        return budget

    def _bench(self, calibrated: Calibrated, precision: Precision, budget: Budget) -> RepairBench:
        detailed = self.calibrate("entropy", TRIAL_IMAGES)
        # ranges of all images, histograms of some
        statistics = {
            name: replace(entry, histogram=detailed.statistics[name].histogram)
            for name, entry in calibrated.statistics.items()
        }
        settings = self.recipe.repair
        material = Material(
            maker=plan_maker(calibrated, self.recipe.quantise, self.workshop.backend),
            parts=self.workshop.task.head.parts,
            precisions=self.workshop.backend.capabilities().precisions,
            whole_macs=whole_macs(calibrated.model),
            keep_outputs=settings.keep_outputs,
            seed=settings.seed,
        )
        full = replace(calibrated, statistics=statistics)
        return RepairBench(
            workshop=self.workshop,
            calibrated=full,
            calibration=calibrated.images,
            allowed=self.allowed,
            deadline=math.inf if settings.time_limit is None else time.monotonic() + settings.time_limit,
            material=material,
            precision=precision,
            findings=lambda candidate, plan: self._joins(full, candidate, plan),
            timed=budget.needs_latency,
            float_artifact=self.float_artifact,
        )

    def _joins(self, calibrated: Calibrated, candidate: Candidate, plan: PrecisionPlan) -> tuple[Finding, ...]:
        """Joins of unlike ranges that are left in a candidate."""
        if candidate.model.digest != calibrated.model.digest:
            return ()
        return tuple(calibrated.check(plan, self.evaluation, ["mixed-range"]))

    def _falls_short(self, built: Built) -> bool:
        return built.judge(self.allowed, None, "", "passed").verdict == "failed"


def _start(calibrated: Calibrated, precision: Precision) -> Candidate:
    """Everything in the wanted precision."""
    return Candidate(
        model=calibrated.model,
        whole=calibrated.model,
        ops=default_precisions(calibrated.model, calibrated.profile, precision),
        observer=calibrated.section.observer,
    )


def nothing_to_quantise(
    recipe: Recipe, prepared: PreparedModel, model: Model, profile: FusionProfile
) -> Finding | None:
    """EW603 when the target computes no op of the model in integers.

    Raises:
        UserError: so it is, and the user wants nothing else.
    """
    if default_precisions(model, profile, "int8"):
        return None
    what = f"{recipe.target} computes no op of this model in integers"
    ops = ", ".join(sorted({node.op_type for node in model.ir.graph})[:8])
    if "float" not in recipe.precision:
        raise UserError(what, where=prepared.source["name"], why=f"its ops are {ops}", todo="--precision float")
    wanted = ", ".join(recipe.precision)
    return Finding("EW603", Severity.WARNING, wanted, f"{what} (its ops: {ops}), so there is no such variant.")
