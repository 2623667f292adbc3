"""Lint of the calibration images themselves."""

from __future__ import annotations

from collections import Counter

from edgewright.checks.base import CHECKS, CheckContext, ImageSet
from edgewright.findings import Finding, Severity, listed

_FEW = 16


@CHECKS.register("calibration-images")
def calibration_images(context: CheckContext) -> list[Finding]:
    """Overlap with the evaluation set, duplicates, constant images, too few."""
    calibration, evaluation = context.calibration, context.evaluation
    if calibration is None:
        return []
    found = []
    if evaluation is not None:
        found += _overlap(calibration, evaluation)
    found += _duplicates(calibration)
    if calibration.constant:
        found.append(
            Finding(
                "EW205",
                Severity.WARNING,
                calibration.constant[0],
                f"{len(calibration.constant)} calibration images are one flat colour: {listed(calibration.constant)}.",
                {"images": list(calibration.constant)},
            )
        )
    if len(calibration.names) < _FEW:
        found.append(
            Finding(
                "EW203",
                Severity.WARNING,
                "calibration set",
                f"Only {len(calibration.names)} calibration images.",
                {"images": len(calibration.names)},
                "Pass 32 or more that look like use.",
            )
        )
    return found


@CHECKS.register("skipped-images")
def skipped_images(context: CheckContext) -> list[Finding]:
    """Files that were left out because --allow-skip was given."""
    found = []
    for label, images in (("calibration", context.calibration), ("evaluation", context.evaluation)):
        if images is not None and images.skipped:
            names = tuple(name for name, _ in images.skipped)
            found.append(
                Finding(
                    "EW201",
                    Severity.WARNING,
                    f"{label} set",
                    f"{len(names)} files of the {label} set could not be read and were skipped: {listed(names)}.",
                    {"skipped": [{"file": name, "why": why} for name, why in images.skipped]},
                )
            )
    return found


def _overlap(calibration: ImageSet, evaluation: ImageSet) -> list[Finding]:
    measured = set(evaluation.digests)
    both = tuple(
        name for name, digest in zip(calibration.names, calibration.digests, strict=True) if digest in measured
    )
    if not both:
        return []
    return [
        Finding(
            "EW202",
            Severity.WARNING,
            "calibration set",
            f"{len(both)} of {len(calibration.names)} calibration images are evaluation images too: {listed(both)}.",
            {"images": list(both)},
            "Choose different images for each.",
        )
    ]


def _duplicates(calibration: ImageSet) -> list[Finding]:
    times = Counter(calibration.digests)
    copies = tuple(
        name for name, digest in zip(calibration.names, calibration.digests, strict=True) if times[digest] > 1
    )
    if not copies:
        return []
    return [
        Finding(
            "EW204",
            Severity.WARNING,
            "calibration set",
            f"{len(copies)} calibration images are copies of each other: {listed(copies)}.",
            {"images": list(copies)},
        )
    ]
