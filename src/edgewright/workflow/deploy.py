"""Deploy, from a trained model to a bundle that is proven to work, or to a clear account of what is wrong.

prepare ──> build float ──> calibrate ──> check ──> build int8 ──> verify ──> bundle
                                ^                                    │
                                └── search for a repair <────────────┘ (only if it fell short)
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgewright.errors import UserError
from edgewright.findings import Finding
from edgewright.quant.layout import default_precisions
from edgewright.quant.observers import parse_observer
from edgewright.sources import source_name
from edgewright.targets.backend import Backend
from edgewright.targets.registry import get_backend, toolchain_version
from edgewright.verify.results import RunReport, Variant
from edgewright.verify.verdict import Limits, limits
from edgewright.workflow.assemble import Material, assemble
from edgewright.workflow.blame import blame_note
from edgewright.workflow.calibrated import Calibrated, calibrate_stage
from edgewright.workflow.conclude import Conclusion, Outcome, conclude
from edgewright.workflow.given import check_here, check_model_file, check_precisions, check_source, read_task
from edgewright.workflow.inputs import Data, ImageFiles, decoded, find_data, labels_digest, model_digest
from edgewright.workflow.known import issue_notes
from edgewright.workflow.meanwhile import Meanwhile
from edgewright.workflow.measured import Task
from edgewright.workflow.notes import failing_precision, is_void, label_notes
from edgewright.workflow.prepared import PreparedModel, prepare_stage
from edgewright.workflow.progress import Progress, Quiet
from edgewright.workflow.proven import proof_stage
from edgewright.workflow.quantised import USUAL, Quantiser, nothing_to_quantise
from edgewright.workflow.recipe import AUTO, Recipe
from edgewright.workflow.run_dir import RunDir
from edgewright.workflow.sourced import Sourced, source_key, source_stage, target_of
from edgewright.workflow.timing import latency_stage
from edgewright.workflow.unrun import build_unrun, measuring_backend, stands_in, variant_name
from edgewright.workflow.variants import Built, Workshop
from edgewright.workflow.vendor_rows import check_methods
from edgewright.workflow.versions import code_digest, library_versions


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
        toolchain_seconds: of it, waiting for the vendor's own processes.
        reused: whether nothing had to be computed.
    """

    report: RunReport
    run_dir: Path
    bundle: Path | None
    page: Path
    recipe: Path
    seconds: float
    reused: bool
    toolchain_seconds: float = 0.0

    @property
    def verdict(self) -> str:
        """ "passed", "failed", or "not run" where the target does not run here."""
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
    source = Path(recipe.model.path)
    check_model_file(source)
    backend = get_backend(target_of(recipe))
    check_here(recipe.target, backend)
    check_source(recipe.target, backend, source)
    check_precisions(recipe.target, recipe.precision, backend)
    check_methods(recipe.target, recipe.quantise.vendor_calibration, recipe.precision, backend)
    if recipe.quantise.observer != AUTO:
        parse_observer(recipe.quantise.observer)  # an unknown one must be told now, not after an hour of calibration
    calibrated = set(recipe.precision) - {"float", *backend.capabilities().weight_only}
    data = find_data(recipe.data, quantised=bool(calibrated))
    path = out or Path("runs") / f"{source_name(source)}-{recipe.target.rpartition('/')[2]}"
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
        toolchain_seconds=run.tools.seconds,
    )


class _Job:
    """One deploy on its way."""

    def __init__(
        self, recipe: Recipe, run: RunDir, backend: Backend, data: Data, progress: Progress, command: str
    ) -> None:
        self.recipe, self.run, self.backend, self.data = recipe, run, backend, data
        self.progress, self.command = progress, command
        self.notes: list[Finding] = []
        self.repairs: tuple[Mapping[str, Any], ...] = ()
        self.labels_key = labels_digest(recipe.data.labels, data.evaluation.paths)
        self.key: dict[str, Any] = {
            "versions": library_versions(),
            "code": code_digest(),
            "model": model_digest(Path(recipe.model.path)),
            **source_key(recipe),
        }

    def conclusion(self) -> Conclusion:
        """Everything, from the run directory where nothing changed since."""
        key = {
            **self.key,
            "recipe": self.recipe.model_dump(mode="json"),
            "labels": self.labels_key,
            "images": [self.data.calibration.key, self.data.evaluation.key],
            "toolchain": dict(self.backend.toolchain()),
            "host": dict(self.backend.host()),
        }
        return conclude(self.run, self.recipe, key, self._deploy)

    def _deploy(self) -> Outcome:
        """The way through the house."""
        able = self.backend.capabilities()
        skip = self.recipe.data.allow_skip
        evaluation = decoded(self.data.evaluation, allow_skip=skip)
        calibration = decoded(self.data.calibration, allow_skip=skip) if self.data.calibration.paths else None
        self.data = Data(calibration or self.data.calibration, evaluation, self.data.findings)
        sourced = source_stage(self.run, self.recipe, self.key, able.min_opset, self.progress)
        prepared = prepare_stage(self.run, self.recipe, self.key, evaluation, able.min_opset, sourced)
        task = read_task(self.recipe, prepared, evaluation, sourced.path)
        self.notes += proof_stage(self.run, self.key, sourced, task, evaluation, able.float_tolerance, self.progress)
        verify = self.recipe.verify
        allowed = limits(
            verify.max_drop,
            verify.max_relative_l2,
            labelled=task.labels is not None,
            float_relative_l2=able.float_tolerance,
            parts=_part_limits(self.recipe, task),
        )
        measuring = measuring_backend(self.backend)
        unrun = measuring is not self.backend
        workshop = self._workshop(measuring, sourced, prepared, task, evaluation)
        wanted = dict.fromkeys(("float", *self.recipe.precision))
        self.notes += issue_notes(self.backend, prepared.load(), task.head.family, wanted)
        with Meanwhile[Calibrated]() as meanwhile:
            if not workshop.from_source and self._calibrates(prepared) and toolchain_version(self.backend) is not None:
                meanwhile.start(lambda quiet: self._calibrated(prepared, self._observer, None, quiet))
            built = [workshop.make(self._name("float"), "float", None)]
            ready = meanwhile.result()
        self.notes += label_notes(task, built[0], evaluation)
        if workshop.from_source:
            built += [workshop.make(self._name(one), one, None) for one in self.recipe.precision if one != "float"]
        elif self.recipe.precision != ("float",):
            built += self._quantised(prepared, workshop, allowed, built[0], ready)
        failing = failing_precision(built, allowed)
        tooled = toolchain_version(self.backend) is not None
        if failing is not None and failing not in able.weight_only and not self._void and tooled:
            self.notes.append(blame_note(measuring, task.head.family, failing, self.progress))
        latencies, slow = latency_stage(self.run, self.key, workshop, built) if not unrun else ({}, [])
        own = self._workshop(self.backend, sourced, prepared, task, evaluation) if unrun else None
        return assemble(
            Material(
                recipe=self.recipe,
                prepared=prepared,
                task=task,
                allowed=allowed,
                workshop=workshop,
                built=built,
                latencies=latencies,
                findings=(*self.data.findings, *self.notes, *slow),
                calibration=self.data.calibration,
                repairs=self.repairs,
                command=self.command,
                unrun=build_unrun(own, ("float", *self.recipe.precision)) if own is not None else (),
                stand_in=able.stand_in if unrun else "",
            )
        )

    def _name(self, precision: str) -> str:
        """What the table calls a variant that has no plan."""
        able = self.backend.capabilities()
        name = variant_name(self.backend, precision)
        return name if able.runs_here or not able.stand_in else stands_in(name, able.stand_in)

    def _workshop(
        self, backend: Backend, sourced: Sourced, prepared: PreparedModel, task: Task, evaluation: ImageFiles
    ) -> Workshop:
        return Workshop(
            self.run,
            backend,
            self.progress,
            self.key,
            sourced,
            prepared.path,
            task,
            evaluation,
            self.labels_key,
            self.data.calibration if self.data.calibration.paths else evaluation,
        )

    @property
    def _void(self) -> bool:
        """Whether the float model itself does not fit the labels: then no figure tells anything."""
        return any(is_void(note) for note in self.notes)

    @property
    def _observer(self) -> str:
        """The observer that the first variant of each precision takes."""
        named = self.recipe.quantise.observer
        return USUAL if named == AUTO else named

    def _calibrates(self, prepared: PreparedModel) -> bool:
        """Whether there is anything to calibrate for."""
        profile = self.backend.capabilities().fusion
        return self.recipe.precision != ("float",) and bool(default_precisions(prepared.load(), profile, "int8"))

    def _calibrated(self, prepared: PreparedModel, observer: str, most: int | None, progress: Progress) -> Calibrated:
        """Statistics of all calibration images, or of so many."""
        images = self.data.calibration if most is None else self.data.calibration.spread(most)
        profile = self.backend.capabilities().fusion
        return calibrate_stage(self.run, self.recipe, self.key, prepared, profile, images, progress, observer)

    def _quantised(
        self,
        prepared: PreparedModel,
        workshop: Workshop,
        allowed: Limits,
        in_float: Built,
        ready: Calibrated | None,
    ) -> list[Built]:
        profile = self.backend.capabilities().fusion
        nothing = nothing_to_quantise(self.recipe, prepared, prepared.load(), profile)
        if nothing is not None:
            self.notes.append(nothing)
            return []

        def calibrate(observer: str, most: int | None = None) -> Calibrated:
            if ready is not None and (observer, most) == (self._observer, None):
                return ready
            return self._calibrated(prepared, observer, most, self.progress)

        images = self.data.evaluation
        quantiser = Quantiser(self.recipe, workshop, images, allowed, calibrate, not self._void, in_float)
        wanted = [precision for precision in self.recipe.precision if precision != "float"]
        found = [quantiser.variants(precision) for precision in wanted]
        self.repairs = tuple(one.repair for one in found if one.repair is not None)
        self.notes += [finding for one in found for finding in one.findings]
        return [built for one in found for built in one.built]


def _part_limits(recipe: Recipe, task: Task) -> Mapping[str, float]:
    """Limits of single parts, all of which the head has."""
    known = [part.name for part in task.head.parts]
    for name in recipe.verify.parts:
        if name not in known:
            raise UserError(
                f"the outputs have no part {name!r}", where="verify.parts", todo=f"name one of {', '.join(known)}"
            )
    return recipe.verify.parts
