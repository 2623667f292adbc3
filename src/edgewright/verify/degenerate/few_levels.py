"""Far fewer distinct values than a grid has."""

from __future__ import annotations

from edgewright.findings import Finding, Severity
from edgewright.verify.degenerate.base import RULES, PartView

_LEVELS = 16
"""A 1/16 of an 8-bit grid: differences between scores or positions are mostly gone below."""


@RULES.register("few-levels")
def few_levels(view: PartView) -> Finding | None:
    """Report a part that uses a small share of its grid."""
    seen, reference = view.candidate, view.reference
    if seen.count == 0 or seen.distinct > _LEVELS or reference.distinct < 8 * max(seen.distinct, 1):
        return None
    return Finding(
        "EW407",
        Severity.WARNING,
        view.where,
        f"{view.part.name} has {seen.distinct} distinct values; an 8-bit grid has 256 and the source model "
        f"{reference.distinct}{' or more' if reference.distinct >= 4096 else ''}.",
        {"distinct": seen.distinct, "reference_distinct": reference.distinct, "low": seen.low, "high": seen.high},
    )
