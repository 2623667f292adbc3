"""Scores that pile up at one value at the top."""

from __future__ import annotations

from edgewright.findings import Finding, Severity
from edgewright.verify.degenerate.base import RULES, PartView

_SHARE = 0.2
"""Share of values at the top of an image that no set of real scores reaches."""


@RULES.register("saturated")
def saturated(view: PartView) -> Finding | None:
    """Report probabilities of which many equal the largest one."""
    seen, reference = view.candidate, view.reference
    if view.part.kind != "probability" or seen.count == 0 or seen.high <= 0.0:
        return None
    share, usual = seen.at_top / seen.count, reference.at_top / max(reference.count, 1)
    if share < _SHARE or share < 2 * usual:
        return None
    return Finding(
        "EW404",
        Severity.ERROR,
        view.where,
        f"{100 * share:.0f} % of {view.part.name} sit on their largest value ({seen.high:.4g}); in the source model "
        f"{100 * usual:.2g} % do.",
        {"share": share, "reference_share": usual, "value": seen.high},
    )
