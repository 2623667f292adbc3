"""The source model's own outputs: where they are void, agreeing with them proves nothing."""

from __future__ import annotations

from collections.abc import Sequence

from edgewright.findings import Finding, Severity
from edgewright.tensors import Part
from edgewright.verify.degenerate.base import Watch

SOURCE = "source model"


def source_findings(parts: Sequence[Part], watches: Sequence[Watch]) -> list[Finding]:
    """Report NaN in the source model's outputs, and outputs of which none depends on the image.

    One part that never changes is no fault (anchors, for example), so all of them must stand still.

    Args:
        parts: slices of the outputs.
        watches: what was watched of each, in the source model.
    """
    found = []
    for part, watch in zip(parts, watches, strict=True):
        if watch.non_finite:
            bad, void = watch.non_finite, watch.non_finite == watch.count
            found.append(
                Finding(
                    "EW401",
                    Severity.ERROR if void else Severity.WARNING,
                    f"{SOURCE}: {part.name}",
                    f"{bad} of {watch.count} values of {part.name} are NaN or Inf in the source model itself.",
                    {"non_finite": bad, "values": watch.count},
                    "Check the export and the preprocessing: nothing can agree with values that are no numbers.",
                )
            )
    images = max((watch.images for watch in watches), default=0)
    if not found and images > 1 and not any(watch.varies for watch in watches):
        found.append(
            Finding(
                "EW405",
                Severity.ERROR,
                SOURCE,
                f"The source model itself gives the same outputs on all {images} images, so agreeing with it proves "
                "nothing.",
                {"images": images},
                "Check the export and the preprocessing, and that the images differ.",
            )
        )
    return found
