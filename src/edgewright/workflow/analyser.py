"""One analysis on its way, from the model to what every tensor loses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from edgewright.diagnose.analysis import Analysis, PartLoss, merged
from edgewright.diagnose.extract import Piece, extract_piece
from edgewright.diagnose.extract_files import write_piece
from edgewright.diagnose.find import find_tensor
from edgewright.diagnose.vendor_layers import VendorLayers, vendor_findings
from edgewright.errors import UserError
from edgewright.findings import Finding, Severity
from edgewright.graph.io import load_model
from edgewright.quant.layout import default_precisions, layout
from edgewright.quant.observers import parse_observer
from edgewright.quant.plan import Precision
from edgewright.targets.backend import Backend
from edgewright.tasks.importance import noticed_of
from edgewright.verify.verdict import drop_of
from edgewright.workflow.calibrated import Calibrated, calibrate_stage
from edgewright.workflow.diagnosed import (
    EFFECT_IMAGES,
    FLOOR_IMAGES,
    SEED,
    TENSOR_IMAGES,
    Subject,
    causes_of,
    effects_stage,
    errors_stage,
    floor_stage,
    joined,
)
from edgewright.workflow.given import read_task
from edgewright.workflow.inputs import Data, decoded, labels_digest, model_digest
from edgewright.workflow.notes import is_void, label_notes
from edgewright.workflow.prepared import PreparedModel, prepare_stage
from edgewright.workflow.progress import Progress
from edgewright.workflow.proven import proof_stage
from edgewright.workflow.quantised import TRIAL_IMAGES, USUAL
from edgewright.workflow.recipe import AUTO, Recipe
from edgewright.workflow.run_dir import RunDir
from edgewright.workflow.sourced import source_key, source_stage
from edgewright.workflow.variants import Built, Workshop
from edgewright.workflow.vendor import vendor_stage
from edgewright.workflow.versions import code_digest, library_versions

PIECES = "pieces"
_LONGEST = 120
"""Letters of a folder's name."""


@dataclass(frozen=True)
class ExtractedPiece:
    """The smallest failing piece, and the files that it was written to."""

    piece: Piece
    folder: Path
    files: tuple[Path, ...]


@dataclass(frozen=True)
class Traced:
    """What was built for one target, and what it computes inside.

    Attributes:
        prepared, subject: what was built, and how it is emulated.
        plain, quantised: in float and as planned.
        vendor: None where the target's toolchain shows no inner tensors.
        proof: what is known of the way from the model's framework to ONNX.
    """

    prepared: PreparedModel
    subject: Subject
    plain: Built
    quantised: Built
    vendor: VendorLayers | None
    proof: tuple[Finding, ...] = ()


class Analyser:
    """Analyses one model for one target; for arguments see `workflow.analyse`."""

    def __init__(
        self, recipe: Recipe, run: RunDir, backend: Backend, data: Data, precision: Precision, progress: Progress
    ) -> None:
        skip = recipe.data.allow_skip
        self.recipe, self.run, self.backend, self.precision, self.progress = recipe, run, backend, precision, progress
        self.data = Data(
            decoded(data.calibration, allow_skip=skip), decoded(data.evaluation, allow_skip=skip), data.findings
        )
        # the keys of a deploy: what it has made is used here, and the other way round
        self.key: dict[str, Any] = {
            "versions": library_versions(),
            "code": code_digest(),
            "model": model_digest(Path(recipe.model.path)),
            **source_key(recipe),
        }

    def prepare(self) -> tuple[PreparedModel, Subject]:
        """What is analysed."""
        able, images = self.backend.capabilities(), self.data.evaluation
        self.sourced = source_stage(self.run, self.recipe, self.key, able.min_opset, self.progress)
        prepared = prepare_stage(self.run, self.recipe, self.key, images, able.min_opset, self.sourced)
        return prepared, self._subject(prepared)

    def trace(self, prepared: PreparedModel, subject: Subject) -> Traced:
        """Build, measure, and look inside."""
        images, tolerance = self.data.evaluation, self.backend.capabilities().float_tolerance
        proof = proof_stage(self.run, self.key, self.sourced, subject.task, images, tolerance, self.progress)
        plain, quantised = self._built(subject, prepared)
        vendor = vendor_stage(subject, self.backend, plain, quantised)
        return Traced(prepared, subject, plain, quantised, vendor, tuple(proof))

    def work(self, channels: Sequence[str], extract: str | None) -> tuple[Analysis, ExtractedPiece | None, Traced]:
        """The way from the model to the analysis."""
        prepared, subject = self.prepare()
        named = [find_tensor(name, subject.source, subject.model, subject.plan) for name in channels]
        wanted = None if extract is None else find_tensor(extract, subject.source, subject.model, subject.plan)
        traced = self.trace(prepared, subject)
        analysis = self._analysis(traced, named)
        return analysis, None if wanted is None else self._extracted(subject, wanted), traced

    def _subject(self, prepared: PreparedModel) -> Subject:
        profile = self.backend.capabilities().fusion
        model = prepared.load()
        if not default_precisions(model, profile, self.precision):
            raise UserError(
                f"{self.recipe.target} computes no op of this model in integers, so nothing of it is quantised",
                where=prepared.source["name"],
                why=f"its ops are {', '.join(sorted({node.op_type for node in model.ir.graph})[:8])}",
                todo="deploy it with --precision float",
            )
        task = read_task(self.recipe, prepared, self.data.evaluation, self.sourced.path)
        calibrated = self._calibrated(prepared)
        asked = calibrated.plan(self.precision)
        plan = self.backend.expected_plan(calibrated.model, asked)
        wide = "int16" in self.backend.capabilities().precisions and self.precision != "int16"
        return Subject(
            run=self.run,
            key=self.key,
            progress=self.progress,
            source=load_model(self.sourced.path),
            calibrated=calibrated,
            plan=plan,
            asked=asked,
            wide=calibrated.plan("int16") if wide else None,
            leaders=layout(calibrated.model, profile, plan.ops).leaders,
            task=task,
            images=self.data.evaluation,
        )

    def _calibrated(self, prepared: PreparedModel) -> Calibrated:
        """Ranges of all calibration images, and histograms of some for the causes."""
        profile, images = self.backend.capabilities().fusion, self.data.calibration
        stages = self.run, self.recipe, self.key, prepared, profile
        observer = USUAL if self.recipe.quantise.observer == AUTO else self.recipe.quantise.observer
        found = calibrate_stage(*stages, images, self.progress, observer)
        if parse_observer(observer).needs_histogram:
            return found
        detailed = calibrate_stage(*stages, images.spread(TRIAL_IMAGES), self.progress, "entropy").statistics
        both = {name: replace(entry, histogram=detailed[name].histogram) for name, entry in found.statistics.items()}
        return replace(found, statistics=both)

    def _built(self, subject: Subject, prepared: PreparedModel) -> tuple[Built, Built]:
        """The model in float, and as planned, built by the target's toolchain and measured."""
        images = self.data.evaluation
        labels = labels_digest(self.recipe.data.labels, images.paths)
        workshop = Workshop(
            self.run,
            self.backend,
            self.progress,
            self.key,
            self.sourced,
            prepared.path,
            subject.task,
            images,
            labels,
            self.data.calibration,
        )
        plain = workshop.make("float", "float", None)
        checked = tuple(subject.calibrated.check(subject.asked, images))
        return plain, workshop.make(self.precision, self.precision, subject.asked, checked, draft=True)

    def _analysis(self, traced: Traced, channels: Sequence[str]) -> Analysis:
        prepared, subject, vendor = traced.prepared, traced.subject, traced.vendor
        plain, quantised = traced.plain, traced.quantised
        noticed = noticed_of(subject.task.head.parts)
        floor = floor_stage(subject)
        effects = effects_stage(subject, floor.silent)
        tensors = joined(errors_stage(subject, channels), effects)
        parts = {error.part: error.relative_l2 for error in quantised.errors}
        causes = causes_of(subject, tensors, floor.parts, parts, noticed)
        notes = [*traced.proof, *label_notes(subject.task, plain, self.data.evaluation)]
        void = [note for note in notes if is_void(note)]
        others = [
            *([] if vendor is None else vendor_findings(vendor, noticed)),
            *quantised.findings,
            *(note for note in notes if not is_void(note)),
            *(finding for finding in prepared.findings if finding.severity is not Severity.INFO),
            *self.data.findings,
        ]
        return Analysis(
            target=self.recipe.target,
            precision=self.precision,
            observer=subject.calibrated.section.observer,
            model=prepared.source,
            head=subject.task.head.to_json(),
            images={
                "evaluation": len(self.data.evaluation.paths),
                "calibration": len(self.data.calibration.paths),
                "measured": subject.count(TENSOR_IMAGES),
                "effects": subject.count(EFFECT_IMAGES) if effects.parts else 0,
                "floor": subject.count(FLOOR_IMAGES) if floor.parts else 0,
            },
            reference=quantised.reference_metric,
            metric=quantised.metric,
            drop=drop_of(quantised.reference_metric, quantised.metric),
            parts=tuple(PartLoss(name, error, floor.parts.get(name), noticed[name]) for name, error in parts.items()),
            tensors=tensors,
            followers={name: owner for name, owner in subject.leaders.items() if owner != name},
            regions=prepared.regions,
            unknown=effects.unknown,
            findings=(*void, *merged(causes, others)),
            vendor=vendor,
            facts={"stops": list(effects.stops), "silent": list(floor.silent), "seed": SEED},
        )

    def _extracted(self, subject: Subject, tensor: str) -> ExtractedPiece:
        with self.progress.step("smallest failing piece"):
            piece = extract_piece(subject.model, subject.plan, tensor, subject.feeds(TENSOR_IMAGES))
            folder = self.run.path / PIECES / _folder_name(tensor)
            return ExtractedPiece(piece, folder, write_piece(piece, folder))


def _folder_name(tensor: str) -> str:
    """A tensor's name as that of a folder: what may lead elsewhere, or is no letter or digit, becomes `_`."""
    name = "".join(letter if letter.isalnum() and letter.isascii() else "_" for letter in tensor).strip("_")
    return name[:_LONGEST] or "tensor"
