"""Whether more calibration images would help: do two halves of them give the same ranges?"""

from __future__ import annotations

from edgewright.checks.base import CHECKS, CheckContext
from edgewright.findings import Finding, Severity
from edgewright.quant.stability import half_range_changes

_MOVES = 0.25
"""Change of a range, relative to its width, that two bits of an 8-bit grid cannot hide."""
_ENOUGH = 16
"""Halves of fewer images than this agree by chance."""
_SHARE = 0.1
"""Share of tensors that may move before the set counts as too small."""


@CHECKS.register("calibration-stability")
def calibration_stability(context: CheckContext) -> list[Finding]:
    """EW206 when the ranges of even and odd images differ, EW207 when they agree."""
    if context.plan is None or context.calibration is None or len(context.calibration.names) < _ENOUGH:
        return []
    changes = half_range_changes(
        {name: context.statistics[name] for name in context.statistics if name in context.plan.activations}
    )
    if not changes:
        return []
    moving = sorted((name for name, change in changes.items() if change > _MOVES), key=lambda name: -changes[name])
    images = len(context.calibration.names)
    evidence = {"images": images, "tensors": len(changes), "moving": len(moving), "worst": moving[:5]}
    if len(moving) > _SHARE * len(changes):
        return [
            Finding(
                "EW206",
                Severity.WARNING,
                moving[0],
                f"The ranges of {len(moving)} of {len(changes)} tensors differ by more than {100 * _MOVES:.0f} % "
                f"between even and odd calibration images; {moving[0]} moves by {100 * changes[moving[0]]:.0f} %.",
                evidence,
                "Pass more, or more varied, calibration images.",
            )
        ]
    return [
        Finding(
            "EW207",
            Severity.INFO,
            "calibration set",
            f"Even and odd halves of the {images} calibration images give the same ranges for "
            f"{len(changes) - len(moving)} of {len(changes)} tensors: more images will not help.",
            evidence,
        )
    ]
