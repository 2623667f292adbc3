"""Not one detection where the reference has some."""

from __future__ import annotations

from collections.abc import Iterable

from edgewright.findings import Finding, Severity
from edgewright.tasks.detection.detections import Detections


def no_detection(
    stage: str, reference: Iterable[Detections], candidate: Iterable[Detections], confidence: float
) -> Finding | None:
    """Report that no box reaches `confidence` on any image.

    Args:
        stage: name of the candidate stage.
        reference, candidate: detections of each image.
        confidence: smallest score that counts.
    """
    expected = sum(int((found.scores >= confidence).sum()) for found in reference)
    images, got, best = 0, 0, 0.0
    for found in candidate:
        images += 1
        got += int((found.scores >= confidence).sum())
        best = max(best, float(found.scores.max()) if len(found) else 0.0)
    if got or not expected:
        return None
    return Finding(
        "EW406",
        Severity.ERROR,
        stage,
        f"No detection at all: on {images} images no score reaches {confidence:g} (largest: {best:.3g}), while the "
        f"source model finds {expected} objects.",
        {"images": images, "confidence": confidence, "largest_score": best, "reference_detections": expected},
    )
