"""Deploy, from a trained model to a bundle that is proven to work, or to a clear account of what is wrong.

prepare ──> build float ──> calibrate ──> check ──> build int8 ──> verify ──> bundle
                                ^                                    │
                                └──── keep the decode tail in float <┘ (only if it fell short)
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgewright.data.labels import Labels, load_labels
from edgewright.errors import UserError
from edgewright.findings import Finding, Severity
from edgewright.graph.io import load_model
from edgewright.targets.backend import Backend
from edgewright.targets.registry import get_backend
from edgewright.verify.results import RunReport, Variant
from edgewright.verify.verdict import Limits, limits
from edgewright.workflow.assemble import Material, assemble
from edgewright.workflow.calibrated import Calibrated, calibrate_stage
from edgewright.workflow.conclude import Conclusion, Outcome, conclude
from edgewright.workflow.inputs import Data, decoded, find_data, labels_digest, model_digest
from edgewright.workflow.measured import Task
from edgewright.workflow.prepared import PreparedModel, prepare_stage
from edgewright.workflow.progress import Progress, Quiet
from edgewright.workflow.recipe import Recipe
from edgewright.workflow.run_dir import RunDir
from edgewright.workflow.timing import latency_stage
from edgewright.workflow.variants import Built, Workshop
from edgewright.workflow.versions import code_digest, library_versions

TAIL_VARIANT = "decode tail in float"


@dataclass(frozen=True)
class Run:
    """What a deploy left.

    Attributes:
        report: everything that was found.
        run_dir: where all results lie.
        bundle: folder of the bundle; None when nothing passed.
        page: the HTML report.
        recipe: file that reproduces the run.
        seconds: wall time.
        reused: whether nothing had to be computed.
    """

    report: RunReport
    run_dir: Path
    bundle: Path | None
    page: Path
    recipe: Path
    seconds: float
    reused: bool

    @property
    def verdict(self) -> str:
        """ "passed" or "failed"."""
        return self.report.verdict.word

    @property
    def table(self) -> tuple[Variant, ...]:
        """The rows of the table."""
        return self.report.variants

    @property
    def findings(self) -> tuple[Finding, ...]:
        """Everything that was noticed."""
        return self.report.findings


def run_deploy(recipe: Recipe, out: Path | None = None, progress: Progress | None = None, command: str = "") -> Run:
    """Deploy as the recipe says.

    Args:
        recipe: model, data, target, limits.
        out: run directory; None: `runs/MODEL-CHIP` below the current folder.
        progress: what to report progress to.
        command: the command line, for provenance.

    Raises:
        UserError: something that was given cannot be used.
        ToolchainError: a compiler or runtime failed.
    """
    started = time.perf_counter()
    backend = get_backend(recipe.target)
    _check_precisions(recipe, backend)
    source = Path(recipe.model.path)
    _check_model_file(source)
    data = find_data(recipe.data, quantised=any(choice != "float" for choice in recipe.precision))
    path = out or Path("runs") / f"{source.stem}-{recipe.target.rpartition('/')[2]}"
    with RunDir.open(path) as run:
        job = _Job(recipe, run, backend, data, progress or Quiet(), command)
        conclusion = job.conclusion()
    return Run(
        report=conclusion.report,
        run_dir=path,
        bundle=conclusion.bundle,
        page=conclusion.page,
        recipe=conclusion.recipe,
        seconds=time.perf_counter() - started,
        reused=conclusion.reused,
    )


class _Job:
    """One deploy on its way."""

    def __init__(
        self, recipe: Recipe, run: RunDir, backend: Backend, data: Data, progress: Progress, command: str
    ) -> None:
        self.recipe, self.run, self.backend, self.data = recipe, run, backend, data
        self.progress, self.command = progress, command
        self.key: dict[str, Any] = {
            "versions": library_versions(),
            "code": code_digest(),
            "model": model_digest(Path(recipe.model.path)),
        }

    def conclusion(self) -> Conclusion:
        """Everything, from the run directory where nothing changed since."""
        key = {
            **self.key,
            "recipe": self.recipe.model_dump(mode="json"),
            "labels": labels_digest(self.recipe.data.labels),
            "images": [self.data.calibration.key, self.data.evaluation.key],
            "toolchain": dict(self.backend.toolchain()),
            "host": dict(self.backend.host()),
        }
        return conclude(self.run, self.recipe, key, self._deploy)

    def _deploy(self) -> Outcome:
        """The way through the house."""
        evaluation = decoded(self.data.evaluation, allow_skip=self.recipe.data.allow_skip)
        self.data = Data(self.data.calibration, evaluation, self.data.findings)
        prepared = prepare_stage(self.run, self.recipe, self.key, evaluation)
        task = self._task(prepared)
        allowed = limits(
            self.recipe.verify.max_drop, self.recipe.verify.max_relative_l2, labelled=task.labels is not None
        )
        key = {**self.key, "labels": labels_digest(self.recipe.data.labels)}
        workshop = Workshop(
            self.run,
            self.backend,
            self.progress,
            key,
            Path(self.recipe.model.path),
            prepared.path,
            task,
            evaluation,
        )
        built = [workshop.make("float", "float", None)]
        for precision in self.recipe.precision:
            if precision != "float":
                built += self._quantised(precision, prepared, workshop, allowed)
        latencies, slow = latency_stage(self.run, self.key, workshop, built)
        return assemble(
            Material(
                recipe=self.recipe,
                prepared=prepared,
                task=task,
                allowed=allowed,
                workshop=workshop,
                built=built,
                latencies=latencies,
                findings=(*self.data.findings, *slow),
                calibration=self.data.calibration,
                command=self.command,
            )
        )

    def _quantised(self, precision: Any, prepared: PreparedModel, workshop: Workshop, allowed: Limits) -> list[Built]:
        profile = self.backend.capabilities().fusion
        calibrated = calibrate_stage(self.run, self.recipe, self.key, prepared, profile, self.data, self.progress)
        plan = calibrated.plan(precision)
        first = workshop.make(precision, precision, plan, tuple(calibrated.check(plan, self.data.evaluation)))
        if not self._falls_short(first, allowed) or not self.recipe.verify.repair:
            return [first]
        return [first, *self._repaired(precision, calibrated, workshop, first)]

    def _repaired(self, precision: Any, calibrated: Calibrated, workshop: Workshop, first: Built) -> list[Built]:
        """The first and simplest remedy: cut the decode tail off the quantised graph."""
        tail = {name: why for name, why in calibrated.tail().items() if first.plan and name in first.plan.ops}
        if not tail:
            return []
        plan = calibrated.plan(precision, tail)
        kept = Finding(
            "EW302",
            Severity.INFO,
            f"{precision}, {TAIL_VARIANT}",
            f"{len(tail)} ops behind the last convolutions are computed in float: {', '.join(list(tail)[:3])}"
            f"{', ...' if len(tail) > 3 else ''}.",
            {"ops": sorted(tail)},
        )
        findings = (kept, *calibrated.check(plan, self.data.evaluation, ["mixed-range"]))
        return [workshop.make(f"{precision}, {TAIL_VARIANT}", precision, plan, findings)]

    def _falls_short(self, built: Built, allowed: Limits) -> bool:
        return built.judge(allowed, None, "", "passed").verdict == "failed"

    def _task(self, prepared: PreparedModel) -> Task:
        labels: Labels | None = None
        names: tuple[str, ...] = ()
        if self.recipe.data.labels is not None and prepared.head.task == "detection":
            labels = load_labels(Path(self.recipe.data.labels), self.data.evaluation.paths)
            labels.check_classes(int(prepared.head.params["nc"]))
            names = tuple(labels.names)
        elif self.recipe.data.labels is not None:
            raise UserError(
                f"labels were given, but the head ({prepared.head.family}) has no boxes to measure with them",
                todo="leave --labels out, or name the head family with --task",
            )
        return Task(prepared.head, prepared.contract, names, labels)


def _check_precisions(recipe: Recipe, backend: Backend) -> None:
    able = backend.capabilities().precisions
    for precision in recipe.precision:
        if precision not in able:
            raise UserError(
                f"{recipe.target} has no {precision}",
                why=f"it computes in {', '.join(able)}",
                todo="choose --precision",
            )


def _check_model_file(path: Path) -> None:
    """Errors about a missing file come before any work; `load_model` finds everything else."""
    if not path.is_file():
        load_model(path)
