"""Findings about the run as a whole: labels, and the stage at which a result goes wrong."""

from __future__ import annotations

from collections.abc import Sequence

from edgewright.findings import Finding, Severity, listed
from edgewright.verify.degenerate import SOURCE
from edgewright.verify.results import PartError
from edgewright.verify.verdict import Limits, worst_error
from edgewright.workflow.inputs import ImageFiles
from edgewright.workflow.measured import Task
from edgewright.workflow.proof_notes import CONVERSION
from edgewright.workflow.variants import Built

VOID = "EW211"
"""Code of the finding that the float model does not fit the labels: every figure on them is void."""
_POOR = 5.0
"""AP in points below which a float model does not detect what the labels say."""


def is_void(finding: Finding) -> bool:
    """Whether a finding makes every figure void: the reference itself is not what was trained."""
    return finding.code in (VOID, CONVERSION) and finding.severity is Severity.ERROR


def label_notes(task: Task, reference: Built, images: ImageFiles) -> list[Finding]:
    """What the metric rests on, and whether the float model fits the labels at all."""
    if task.head.task != "detection":
        return []
    if task.labels is None:
        return [
            Finding(
                "EW208",
                Severity.INFO,
                "evaluation set",
                f"No labels: on {len(images.paths)} images the float model's own detections are the ground truth.",
                {"images": len(images.paths)},
                "Pass --labels to measure accuracy.",
            )
        ]
    found = []
    if task.labels.unlabelled:
        names = sorted(task.labels.unlabelled)
        found.append(
            Finding(
                "EW210",
                Severity.INFO,
                "labels",
                f"{len(names)} of {len(images.paths)} images have no labels and count as images without objects: "
                f"{listed(names)}.",
                {"images": names},
            )
        )
    metric = reference.reference_metric
    if metric is not None and metric.value < _POOR:
        found.append(
            Finding(
                VOID,
                Severity.ERROR,
                "source model",
                f"The float model itself reaches only {metric.name} {metric.value:.1f} on these labels.",
                {"value": metric.value, "images": metric.images},
                "Check colour order, scale, resize and the classes' order; or name the head family with --task.",
            )
        )
    return found


def stage_notes(built: Sequence[Built], allowed: Limits) -> list[Finding]:
    """The first stage whose result is wrong, or that the float stages are right."""
    if any(finding.where.startswith(SOURCE) for finding in built[0].findings):
        return []  # no stage is to blame for what the source model does
    previous: list[str] = []
    for name, errors in built[0].measured.errors.items():
        worst = worst_error(errors)
        if worst is None or worst > allowed.float_relative_l2:
            return [_wrong(name, errors, previous, "though nothing was quantised yet")]
        previous.append(name)
    for one in built[1:]:
        if one.judge(allowed, None, "", "passed").verdict == "failed":
            return [_wrong(one.name, one.errors, previous, "so quantisation is to blame")]
    worst = worst_error([error for errors in built[0].measured.errors.values() for error in errors])
    return [
        Finding(
            "EW411",
            Severity.INFO,
            " > ".join(previous),
            f"Prepared model and float artifact compute what the source model computes (largest relative L2 "
            f"{worst:.2g}).",
            {"relative_l2": worst},
        )
    ]


def failing_precision(built: Sequence[Built], allowed: Limits) -> str | None:
    """The first precision none of whose variants is right; None when there is none, or the source model is to blame.

    Args:
        built: variants of several precisions, float first: what is wrong there is wrong behind it too.
    """
    if any(finding.where.startswith(SOURCE) for finding in built[0].findings):
        return None
    words: dict[str, set[str]] = {}
    for one in built:
        words.setdefault(one.precision, set()).add(one.judge(allowed, None, "", "passed").verdict)
    return next((precision for precision, found in words.items() if found == {"failed"}), None)


def _wrong(stage: str, errors: Sequence[PartError], before: Sequence[str], conclusion: str) -> Finding:
    told = ", ".join(
        f"{error.part} {'not finite' if error.relative_l2 is None else f'{error.relative_l2:.3g}'}" for error in errors
    )
    agree = f"; {' and '.join(before)} agree with the source model" if before else ""
    return Finding(
        "EW410",
        Severity.ERROR,
        stage,
        f"{stage} is the first stage whose result is wrong (relative L2: {told}){agree}, {conclusion}.",
        {"relative_l2": {error.part: error.relative_l2 for error in errors}, "right_before": list(before)},
    )
