"""The same output whatever the input."""

from __future__ import annotations

from edgewright.findings import Finding, Severity
from edgewright.verify.degenerate.base import RULES, PartView


@RULES.register("input-independent")
def input_independent(view: PartView) -> Finding | None:
    """Report a part that does not change from image to image."""
    seen, reference = view.candidate, view.reference
    if seen.images < 2 or seen.count == 0 or seen.varies or not reference.varies:
        return None
    return Finding(
        "EW405",
        Severity.ERROR,
        view.where,
        f"{view.part.name} is the same on all {seen.images} images, while the source model's differs between them.",
        {"images": seen.images},
    )
