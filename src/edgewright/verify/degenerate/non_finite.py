"""NaN or Inf where the reference has numbers."""

from __future__ import annotations

from edgewright.findings import Finding, Severity
from edgewright.verify.degenerate.base import RULES, PartView


@RULES.register("non-finite")
def non_finite(view: PartView) -> Finding | None:
    """Report values that are not numbers."""
    bad, count = view.candidate.non_finite, view.candidate.count
    if bad == 0 or view.reference.non_finite >= bad:
        return None
    return Finding(
        "EW401",
        Severity.ERROR,
        view.where,
        f"{bad} of {count} values of {view.part.name} are NaN or Inf; the source model gives numbers there.",
        {"non_finite": bad, "values": count},
    )
