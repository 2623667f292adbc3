"""From what was measured to the report, the choice of what ships, and the bundle's contents."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from edgewright.bundle.pack import Contents, pack_bundle
from edgewright.findings import Finding, Severity
from edgewright.runtime.boundary import image_port
from edgewright.runtime.golden import record_golden
from edgewright.runtime.input_path.measure import describe_path
from edgewright.runtime.input_path.path import InputPath
from edgewright.tasks.base import FAMILIES, DecodeSettings
from edgewright.verify.evaluate import REFERENCE
from edgewright.verify.results import Latency, PartError, RunReport, Variant, Verdict
from edgewright.verify.verdict import Limits
from edgewright.workflow.conclude import Outcome
from edgewright.workflow.inputs import ImageFiles
from edgewright.workflow.measured import Task
from edgewright.workflow.notes import is_void, stage_notes
from edgewright.workflow.pictures import side_by_side
from edgewright.workflow.prepared import PreparedModel
from edgewright.workflow.recipe import Recipe
from edgewright.workflow.unrun import Unrun, unrun_verdict
from edgewright.workflow.variants import Built, Workshop
from edgewright.workflow.versions import library_versions


@dataclass(frozen=True)
class Material:
    """Everything that a run gathered; see `workflow.deploy`."""

    recipe: Recipe
    prepared: PreparedModel
    task: Task
    allowed: Limits
    workshop: Workshop
    built: Sequence[Built]
    latencies: Mapping[str, Latency]
    findings: Sequence[Finding]
    calibration: ImageFiles
    repairs: tuple[Mapping[str, Any], ...]
    command: str
    unrun: tuple[Unrun, ...] = ()
    stand_in: str = ""

    @property
    def images(self) -> ImageFiles:
        """The images that figures rest on."""
        return self.workshop.images


def assemble(material: Material) -> Outcome:
    """Judge the variants, choose what ships, and put the report together."""
    void = [finding for finding in material.findings if is_void(finding)]
    variants = [
        one.judge(
            material.allowed,
            material.latencies.get(one.name),
            material.workshop.ran_on(one),
            "reference" if one.is_float else "passed",
            void,
        )
        for one in material.built
    ]
    # figures of another target prove nothing of this one
    shipped = None if material.unrun else choose(material.recipe.precision, variants)
    findings = [
        *material.prepared.findings,
        *material.findings,
        *(
            finding
            for one, row in zip(material.built, variants, strict=True)
            for finding in (_harmless(one.findings) if row.verdict == "passed" else one.findings)
        ),
        *(finding for one in material.unrun for finding in one.findings),
        *stage_notes(material.built, material.allowed),
    ]
    report = RunReport(
        verdict=_verdict(material, shipped, variants),
        variants=(*variants, *(one.row() for one in material.unrun)),
        findings=tuple(_unique(findings)),
        model=material.prepared.source,
        head=material.prepared.head.to_json(),
        contract=material.task.contract.model_dump(mode="json"),
        data=_data_facts(material),
        stages=_stages(material.built),
        regions=material.prepared.regions,
        profile=tuple(material.workshop.run.times),
        settings=material.recipe.model_dump(mode="json"),
        provenance=_provenance(material),
        repairs=material.repairs,
    )
    by_name = {one.name: one for one in material.built}

    def pack(folder: Path) -> None:
        _pack(material, report, by_name[report.verdict.variant], folder)

    pictures = side_by_side(material.task, material.images, material.built)
    return Outcome(report, pictures, pack if shipped else None)


def choose(precisions: Sequence[str], variants: Sequence[Variant]) -> Variant | None:
    """What ships: of the first precision in the user's order that has a variant which passed, the last such variant.

    Rows with a calibration of the vendor's are there to compare: the best of them ships where none of ours passed.
    """
    for precision in precisions:
        fit = [one for one in variants if one.precision == precision and one.verdict != "failed"]
        own = [one for one in fit if not one.calibration]
        if own:
            return own[-1]
        if fit:
            return min(fit, key=lambda one: (one.drop is None, one.drop or 0.0))
    return None


def _verdict(material: Material, shipped: Variant | None, variants: Sequence[Variant]) -> Verdict:
    target = material.recipe.target
    if material.unrun:
        return unrun_verdict(target, material.unrun, material.stand_in)
    if shipped is not None:
        figure = ""
        if shipped.metric is not None and shipped.drop is not None:
            figure = (
                f": {shipped.metric.name} {shipped.metric.value:.1f}, {abs(shipped.drop):.1f} "
                f"{'below' if round(shipped.drop, 1) >= 0 else 'above'} the source model "
                f"(limit {material.allowed.max_drop:g})"
            )
        return Verdict("passed", target, shipped.name, f"{shipped.name} computes what was trained{figure}.")
    tried = [one for one in variants if one.precision in material.recipe.precision]
    nearest = min(tried, key=lambda one: (one.drop is None, one.drop or 0.0))
    gap = "" if nearest.drop is None else f"; the nearest, {nearest.name}, loses {nearest.drop:.1f} points"
    return Verdict("failed", target, "", f"No variant is within the limit {material.allowed.max_drop:g}{gap}.")


def _harmless(findings: Iterable[Finding]) -> list[Finding]:
    """Findings of a variant that passed: what the rules held for fatal was measured and did no harm."""
    return [
        replace(finding, severity=Severity.WARNING) if finding.severity is Severity.ERROR else finding
        for finding in findings
    ]


def _unique(findings: Iterable[Finding]) -> list[Finding]:
    """Findings without repetitions, worst first, otherwise in the order of the way."""
    order = {"error": 0, "warning": 1, "info": 2}
    seen: dict[tuple[str, str, str], Finding] = {}
    for finding in findings:
        seen.setdefault((finding.code, finding.where, finding.message), finding)
    return sorted(seen.values(), key=lambda finding: order[finding.severity.value])


def _stages(built: Sequence[Built]) -> dict[str, tuple[PartError, ...]]:
    """Error by part along the way: float stages first, then each quantised variant under its own name."""
    stages = dict(built[0].measured.errors)
    for one in built[1:]:
        stages[one.name] = one.errors
    return stages


def _data_facts(material: Material) -> dict[str, Any]:
    labels = material.task.labels
    return {
        "evaluation_images": len(material.images.paths),
        "calibration_images": len(material.calibration.paths),
        "labels": material.recipe.data.labels,
        "label_format": labels.format if labels is not None else None,
        "labelled_boxes": labels.count if labels is not None else None,
        "max_drop": material.allowed.max_drop,
        "skipped": [entry.path.name for entry in (*material.images.skipped, *material.calibration.skipped)],
    }


def _provenance(material: Material) -> dict[str, Any]:
    return {
        "time": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "command": material.command,
        "versions": library_versions(),
        "toolchain": dict(material.workshop.backend.toolchain()),
        "host": dict(material.workshop.backend.host()),
        "prepare": [dict(step) for step in material.prepared.steps],
        **({"source": dict(facts)} if (facts := material.workshop.sourced.facts) else {}),
    }


def _pack(material: Material, report: RunReport, shipped: Built, folder: Path) -> None:
    workshop, task = material.workshop, material.task
    family = FAMILIES.get(task.head.family) if task.head.family in FAMILIES else None
    with workshop.backend.open(shipped.artifact) as session:
        golden = record_golden(session, shipped.artifact, task.contract, _golden_images(material, shipped))
    pack_bundle(
        folder,
        Contents(
            artifact=shipped.artifact,
            variant=shipped.name,
            model=material.prepared.source,
            head=task.head,
            contract=task.contract,
            settings=family.running if family else DecodeSettings(0.0, 1.0),
            golden=golden,
            names=task.names,
            plan=shipped.plan,
            restore=shipped.restore,
            variants=report.variants,
            findings=report.findings,
            host=workshop.backend.host(),
            recipe=material.recipe.model_dump(mode="json"),
            provenance=report.provenance,
            input_path=describe_path(InputPath(task.contract, image_port(shipped.artifact, task.contract))),
        ),
    )


def _golden_images(material: Material, shipped: Built) -> list[Path]:
    """The image on which the reference finds most: an empty scene would prove little."""
    found = shipped.measured.detections(REFERENCE)
    paths = {path.name: path for path in material.images.paths}
    if not found:
        return [material.images.paths[0]]
    best = max(sorted(found), key=lambda name: int((found[name].scores >= 0.25).sum()))
    return [paths[best]]
