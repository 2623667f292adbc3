"""Zero everywhere where the reference is not."""

from __future__ import annotations

from edgewright.findings import Finding, Severity
from edgewright.verify.degenerate.base import RULES, PartView


@RULES.register("zero")
def zero(view: PartView) -> Finding | None:
    """Report a part that is zero on every image."""
    seen, reference = view.candidate, view.reference
    if seen.count == 0 or seen.zeros < seen.count or reference.zeros == reference.count:
        return None
    return Finding(
        "EW403",
        Severity.ERROR,
        view.where,
        f"All {seen.count} values of {view.part.name} on {seen.images} images are zero; the source model gives "
        f"{reference.low:.4g}..{reference.high:.4g}.",
        {"values": seen.count, "images": seen.images, "reference_low": reference.low, "reference_high": reference.high},
    )
