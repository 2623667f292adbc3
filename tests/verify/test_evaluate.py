"""Stages run side by side, one image at a time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from edgewright.data.contract import Placement
from edgewright.errors import ModelError
from edgewright.tasks.detection.detections import Detections
from edgewright.tensors import Part
from edgewright.verify.evaluate import Sample, evaluate

PLACE = Placement(1, 1, 0, 0, 8, 8)


class Scaled:
    """A session that multiplies its input."""

    ran_on = "nowhere"

    def __init__(self, factor: float) -> None:
        self.factor = factor

    def __call__(self, feeds: Any) -> dict[str, np.ndarray]:
        return {"out": feeds["x"] * np.float32(self.factor)}

    def run_many(self, feeds: Any) -> Iterator[dict[str, np.ndarray]]:
        for sample in feeds:
            yield self(sample)

    def __enter__(self) -> Scaled:
        return self

    def __exit__(self, *error: object) -> None:
        return


def test_every_stage_is_compared_and_decoded_in_step() -> None:
    alive = 0
    most = 0

    def samples() -> Iterator[Sample]:
        nonlocal alive, most
        for index in range(20):
            alive += 1
            most = max(most, alive)
            yield Sample(f"{index}.jpg", {"x": np.full((1, 2, 3), index + 1, np.float32)}, PLACE)

    def decode(outputs: dict[str, np.ndarray], placement: Placement) -> Detections:
        nonlocal alive
        score = np.array([outputs["out"][0, 0, 0] / 100], np.float32)
        return Detections(np.zeros((1, 4), np.float32), score, np.zeros(1, np.int64))

    def done() -> None:
        nonlocal alive
        alive -= 1

    parts = (Part("first", "out", 1, 0, 1), Part("second", "out", 1, 1))
    found = evaluate(Scaled(1), {"same": Scaled(1), "half": Scaled(0.5)}, samples(), parts, decode, done)
    assert found.images == 20
    assert most <= 2, "images must pass through, not pile up"
    assert [error.relative_l2 for error in found.stages["same"].errors] == [0, 0]
    assert [error.relative_l2 for error in found.stages["half"].errors] == [0.5, 0.5]
    assert float(found.stages["half"].detections["9.jpg"].scores[0]) == np.float32(0.05)
    assert float(found.reference.detections["9.jpg"].scores[0]) == np.float32(0.1)


def test_outputs_whose_shape_depends_on_the_image_are_an_error_in_words() -> None:
    class Shrinking(Scaled):
        def __call__(self, feeds: Any) -> dict[str, np.ndarray]:
            return {"out": feeds["x"][:, :, :2]}

    sample = Sample("a.jpg", {"x": np.ones((1, 2, 3), np.float32)}, PLACE)
    with pytest.raises(ModelError, match=r"a\.jpg") as caught:
        evaluate(Scaled(1), {"int8 artifact": Shrinking(1)}, [sample], (Part("all", "out", 1),))
    assert "NMS" in caught.value.why
