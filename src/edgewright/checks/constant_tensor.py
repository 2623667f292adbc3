"""Activations that never changed over all calibration images."""

from __future__ import annotations

from edgewright.checks.base import CHECKS, CheckContext
from edgewright.findings import Finding, Severity, listed


@CHECKS.register("constant-tensor")
def constant_tensor(context: CheckContext) -> list[Finding]:
    """One finding that lists all such tensors."""
    if context.plan is None:
        return []
    stuck = [
        name
        for name in sorted(context.statistics)
        if context.statistics[name].count > 1
        and context.statistics[name].minimum == context.statistics[name].maximum
        and name in context.plan.activations
    ]
    if not stuck:
        return []
    return [
        Finding(
            "EW303",
            Severity.WARNING,
            stuck[0],
            f"{len(stuck)} activations had one value over all calibration images: {listed(stuck)}.",
            {"tensors": stuck},
        )
    ]
