"""Each degenerate output is named for what it is, and a healthy one is left alone."""

from __future__ import annotations

import numpy as np
import pytest

from edgewright.findings import Severity
from edgewright.tasks.detection.detections import Detections
from edgewright.tensors import Part
from edgewright.verify.degenerate import PartView, Watch, first_finding, no_detection

PART = Part("scores", "out", 1, kind="probability")


def watch(images: list[np.ndarray]) -> Watch:
    seen = Watch()
    for image in images:
        seen.update(image)
    return seen


def healthy(count: int = 4) -> list[np.ndarray]:
    generator = np.random.default_rng(7)
    return [generator.beta(0.2, 4, size=(1, 5, 200)).astype(np.float32) for _ in range(count)]


def codes(images: list[np.ndarray], step: float) -> list[np.ndarray]:
    return [(np.rint(image / step) * step).astype(np.float32) for image in images]


def ask(candidate: list[np.ndarray], reference: list[np.ndarray] | None = None, part: Part = PART) -> str | None:
    finding = first_finding(PartView(part, "int8", watch(reference or healthy()), watch(candidate)))
    return finding.code if finding else None


def with_nan() -> list[np.ndarray]:
    images = healthy()
    images[2][0, 0, 3] = np.nan
    return images


@pytest.mark.parametrize(
    ("candidate", "code"),
    [
        (healthy(), None),
        (codes(healthy(), 1 / 255), None),
        (with_nan(), "EW401"),
        ([image * 0 for image in healthy()], "EW403"),
        ([image * 0 + 0.5 for image in healthy()], "EW402"),
        ([healthy()[0]] * 4, "EW405"),
        ([np.where(image > 0.01, 1.0, image).astype(np.float32) for image in healthy()], "EW404"),
        (codes(healthy(), 0.2), "EW407"),
    ],
    ids=["healthy", "8-bit", "nan", "zero", "constant", "input-independent", "saturated", "few-levels"],
)
def test_each_form_is_named(candidate: list[np.ndarray], code: str | None) -> None:
    assert ask(candidate) == code


def test_what_the_reference_does_too_is_no_finding() -> None:
    zero = [image * 0 for image in healthy()]
    same = [healthy()[0]] * 4
    assert ask(zero, zero) is None
    assert ask(same, same) is None
    assert ask(with_nan(), with_nan()) is None


def test_boxes_at_their_top_are_not_called_saturated_scores() -> None:
    boxes = Part("boxes", "out", 1, kind="boxes")
    clipped = [np.minimum(image, 0.01).astype(np.float32) for image in healthy()]
    assert ask(clipped, part=boxes) is None


def detections(*scores: float) -> Detections:
    count = len(scores)
    return Detections(np.zeros((count, 4), np.float32), np.array(scores, np.float32), np.zeros(count, np.int64))


def test_no_detection_counts_confident_ones_only() -> None:
    reference = [detections(0.9, 0.3), detections()]
    finding = no_detection("int8", reference, [detections(0.1), detections(0.2)], 0.25)
    assert finding is not None
    assert finding.code == "EW406"
    assert finding.severity is Severity.ERROR
    assert finding.evidence["reference_detections"] == 2
    assert finding.evidence["largest_score"] == pytest.approx(0.2)
    assert no_detection("int8", reference, [detections(0.25)], 0.25) is None
    assert no_detection("int8", [detections(0.1)], [detections()], 0.25) is None


def test_images_without_objects_do_not_make_scores_saturated() -> None:
    empty = [np.full((1, 5, 200), 0.0005, np.float32) for _ in range(4)]
    reference = healthy() + [image + 1e-6 * index for index, image in enumerate(empty)]
    assert ask(codes(reference, 1 / 255), reference) is None
