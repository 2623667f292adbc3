"""Where an error counts: by what the float network believes at each position, for the heads that say so."""

from __future__ import annotations

import numpy as np
import pytest

from edgewright.graph.model import Model
from edgewright.tasks import recognise
from edgewright.tasks.importance import position_weights
from edgewright.tensors import Part
from tests.tasks import task_models as tiny


def answer(model: Model, seed: int = 0) -> dict[str, np.ndarray]:
    """Values between 0 and 1 in every output."""
    generator = np.random.default_rng(seed)
    return {
        spec.name: generator.random(tuple(int(size or 1) for size in spec.shape), np.float32) for spec in model.outputs
    }


@pytest.mark.parametrize("transposed", [False, True])
def test_yolov8_weighs_anchors_by_the_best_class(transposed: bool) -> None:
    model = tiny.yolov8(transposed=transposed)
    parts, outputs = recognise(model).parts, answer(model)
    axis = 2 if transposed else 1
    weights = position_weights(parts, outputs)
    assert set(weights) == {"boxes"}
    rows = np.moveaxis(outputs["scores"], axis, 1)
    found = np.moveaxis(weights["boxes"], axis, 1)
    assert found.shape == (1, 1, 84)
    np.testing.assert_allclose(found[0, 0], rows[0, 4:].max(axis=0))
    boxes = next(part for part in parts if part.name == "boxes").take(outputs)
    assert (boxes * weights["boxes"]).shape == boxes.shape


@pytest.mark.parametrize("decoded", [False, True])
def test_yolox_weighs_by_objectness_and_the_best_class(decoded: bool) -> None:
    model = tiny.yolox(decoded=decoded)
    outputs = answer(model)
    (name,) = outputs
    weights = position_weights(recognise(model).parts, outputs)
    assert set(weights) == {"boxes"}
    rows = outputs[name]
    np.testing.assert_allclose(weights["boxes"][..., 0], rows[..., 4] * rows[..., 5:].max(axis=2), rtol=1e-6)


def test_fastestdet_weighs_cells_by_objectness_and_the_best_class() -> None:
    model = tiny.fastestdet()
    outputs = answer(model)
    (name,) = outputs
    weights = position_weights(recognise(model).parts, outputs)
    assert set(weights) == {"boxes"}
    cells = outputs[name]
    np.testing.assert_allclose(weights["boxes"][:, 0], cells[:, 0] * cells[:, 5:].max(axis=1), rtol=1e-6)
    assert weights["boxes"].shape == (1, 1, *cells.shape[2:])


@pytest.mark.parametrize(
    "model",
    [tiny.yolox(activation="Identity"), tiny.raw_levels(joined=True), tiny.ssd(), tiny.superpoint()],
    ids=["logits", "raw logits", "scores in another output", "no boxes"],
)
def test_where_no_probability_lies_beside_the_boxes_all_count_alike(model: Model) -> None:
    assert position_weights(recognise(model).parts, answer(model)) == {}


def test_each_level_is_weighed_by_its_own_scores() -> None:
    model = tiny.raw_levels(joined=True, bins=8, sigmoid=True)
    parts, outputs = recognise(model).parts, answer(model)
    weights = position_weights(parts, outputs)
    boxes = {part.name: part for part in parts if part.name.startswith("boxes")}
    assert set(weights) == set(boxes)
    assert len(weights) == 3
    for name, part in boxes.items():
        (scores,) = (one for one in parts if one.output == part.output and one.name.startswith("scores"))
        np.testing.assert_allclose(weights[name], scores.take(outputs).max(axis=1, keepdims=True))


def test_a_confidence_is_never_below_0_or_above_1() -> None:
    """Numbers just outside come from rounding; they must neither turn a sign nor blow an error up."""
    parts = (Part("boxes", "o", 1, 0, 4, "boxes", 1), Part("scores", "o", 1, 4, None, "probability", 1))
    values = np.zeros((1, 5, 3), np.float32)
    values[0, 4] = [-0.1, 0.5, 1.2]
    np.testing.assert_allclose(position_weights(parts, {"o": values})["boxes"], [[[0.0, 0.5, 1.0]]])


def test_a_batch_is_weighed_image_by_image() -> None:
    parts = (Part("boxes", "o", 1, 0, 4, "boxes", 1), Part("scores", "o", 1, 4, None, "probability", 1))
    values = np.random.default_rng(0).random((2, 7, 3), np.float32)
    found = position_weights(parts, {"o": values})["boxes"]
    assert found.shape == (2, 1, 3)
    np.testing.assert_allclose(found[:, 0], values[:, 4:].max(axis=1))


def test_boxes_whose_channels_have_no_axis_count_alike() -> None:
    parts = (Part("boxes", "o", 1, 0, 4, "boxes", None), Part("scores", "o", 1, 4, None, "probability", 1))
    assert position_weights(parts, {"o": np.ones((1, 5, 3), np.float32)}) == {}
