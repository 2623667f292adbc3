"""Suppression in compiled loops against blocks of NumPy, index for index."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edgewright.kernels.suppression import descending, suppress_boxes

SETTINGS = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def boxes(seed, count, classes, largest, whole):
    random = np.random.default_rng(seed)
    corner, side = random.uniform(0, 100, (count, 2)), random.uniform(0, largest, (count, 2))
    found = np.concatenate([corner, corner + side], axis=1)
    if whole:
        found = np.round(found / 4) * 4  # many boxes are alike, empty, or overlap by a simple ratio
    scores = np.round(random.random(count) * (5 if whole else 1e6)) / 5
    return found.astype(np.float32), scores.astype(np.float32), random.integers(0, classes, count)


def both(switch, *arguments):
    found = []
    for on in (True, False):
        switch(on)
        xyxy, scores, class_ids, iou, most = arguments
        found.append(suppress_boxes(xyxy, class_ids, descending(scores), iou, most))
    np.testing.assert_array_equal(*found)
    return found[0]


@SETTINGS
@given(
    st.integers(0, 2**32 - 1),
    st.integers(0, 700),
    st.sampled_from([1, 2, 30]),
    st.sampled_from([3.0, 30.0, 300.0]),
    st.booleans(),
    st.sampled_from([0.0, 0.2, 1 / 3, 0.5, 0.7, 1.0]),
    st.sampled_from([0, 1, 20, 10_000]),
)
def test_the_same_boxes_in_the_same_order(switch, seed, count, classes, largest, whole, iou, most):
    xyxy, scores, class_ids = boxes(seed, count, classes, largest, whole)
    both(switch, xyxy, scores, class_ids, iou, most)


@pytest.mark.parametrize("scale", [1e-25, 1e-20, 1e-3, 1.0, 1e18, 1e19, 1e30, 3e38])
def test_areas_that_underflow_and_overflow(switch, scale):
    """With many boxes of a class, which are compared a register at a time."""
    random = np.random.default_rng(0)
    corner, side = random.random((600, 2)), random.random((600, 2)) * 0.5
    xyxy = (np.concatenate([corner, corner + side], axis=1) / 2 * scale).astype(np.float32)
    for iou in (0.0, 0.3, 0.9):
        kept = both(switch, xyxy, random.random(600).astype(np.float32), np.zeros(600, np.int64), iou, 600)
    assert len(kept)


@pytest.mark.parametrize("ids", [[-5, 7, -5], [2**40, 2**40, 3], [70_000, 5, 70_000]])
def test_class_ids_need_not_be_small(switch, ids):
    xyxy = np.array([[0, 0, 10, 10]] * 3, np.float32)
    scores = np.array([0.9, 0.8, 0.7], np.float32)
    kept = both(switch, xyxy, scores, np.array(ids), 0.5, 10)
    assert len(kept) == 2


def test_ten_thousand_boxes(switch):
    for classes, largest, iou, most in [(80, 30, 0.45, 300), (80, 30, 0.7, 10_000), (1, 20, 0.45, 500)]:
        xyxy, scores, class_ids = boxes(1, 10_000, classes, largest, False)
        assert len(both(switch, xyxy, scores, class_ids, iou, most))


@pytest.mark.parametrize("values", [[], [1.0], [0.5, 0.5, 0.5], [-0.0, 0.0], [-1.0, 2.0, -3.0, np.inf, -np.inf]])
def test_order(switch, values):
    scores = np.array(values, np.float32)
    expected = sorted(range(len(values)), key=lambda place: (-values[place], place))
    for on in (True, False):
        switch(on)
        found = descending(scores)
        # a zero with a sign counts as below one without
        if values != [-0.0, 0.0]:
            assert found.tolist() == expected
        for limit in range(len(values) + 2):
            assert descending(scores, limit).tolist() == found.tolist()[:limit]
