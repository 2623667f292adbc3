"""One value everywhere where the reference has many."""

from __future__ import annotations

from edgewright.findings import Finding, Severity
from edgewright.verify.degenerate.base import RULES, PartView


@RULES.register("constant")
def constant(view: PartView) -> Finding | None:
    """Report a part that has a single value."""
    seen, reference = view.candidate, view.reference
    if seen.count < 2 or seen.low != seen.high or reference.low == reference.high:
        return None
    return Finding(
        "EW402",
        Severity.ERROR,
        view.where,
        f"{view.part.name} is {seen.low:.4g} everywhere on {seen.images} images; the source model gives "
        f"{reference.low:.4g}..{reference.high:.4g}.",
        {"value": seen.low, "images": seen.images, "reference_low": reference.low, "reference_high": reference.high},
    )
