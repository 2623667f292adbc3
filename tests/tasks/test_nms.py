import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgewright.tasks.base import DecodeSettings
from edgewright.tasks.detection.nms import box_iou, descending, nms
from edgewright.tasks.detection.postprocess import Candidates, select, suppress


def plain_iou(a, b):
    width = max(0.0, min(a[2], b[2]) - max(a[0], b[0]))
    height = max(0.0, min(a[3], b[3]) - max(a[1], b[1]))
    union = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - width * height
    return width * height / union if union > 0 else 0.0


def plain_nms(boxes, scores, classes, iou, most):
    kept = []
    for place in sorted(range(len(boxes)), key=lambda n: (-scores[n], n)):
        if all(classes[k] != classes[place] or plain_iou(boxes[k], boxes[place]) <= iou for k in kept):
            kept.append(place)
    return kept[:most]


@st.composite
def candidates(draw):
    count = draw(st.integers(0, 40))
    corner, side = st.integers(0, 12), st.integers(0, 8)
    rows = [(draw(corner), draw(corner), draw(side), draw(side)) for _ in range(count)]
    boxes = np.array([(x, y, x + w, y + h) for x, y, w, h in rows], np.float32).reshape(-1, 4)
    scores = np.array([draw(st.integers(0, 8)) / 8 for _ in range(count)], np.float32)  # many ties
    classes = np.array([draw(st.integers(0, 2)) for _ in range(count)], np.int64)
    return boxes, scores, classes


@settings(max_examples=150, deadline=None)
@given(candidates(), st.sampled_from([0.0, 0.3, 0.5, 0.7, 1.0]), st.sampled_from([1, 3, 300]))
def test_nms_keeps_what_plain_greedy_suppression_keeps(found, iou, most):
    boxes, scores, classes = found
    # overlaps of whole-number boxes are ratios of small numbers: exact comparison needs the same rounding
    limit = iou + 1e-6
    assert nms(boxes, scores, classes, limit, most).tolist() == plain_nms(boxes, scores, classes, limit, most)


def test_nms_over_several_blocks_equals_the_plain_one():
    random = np.random.default_rng(3)
    corner = random.uniform(0, 300, (900, 2))
    boxes = np.concatenate([corner, corner + random.uniform(20, 90, (900, 2))], axis=1).astype(np.float32)
    scores, classes = random.random(900).astype(np.float32), random.integers(0, 3, 900)
    expected = plain_nms(boxes.astype(np.float64), scores, classes, 0.5, 900)
    assert len(expected) > 300  # more than one block survives
    assert nms(boxes, scores, classes, 0.5, 900).tolist() == expected
    assert nms(boxes, scores, classes, 0.5, 100).tolist() == expected[:100]


def test_equal_overlap_stays():
    boxes = np.array([[0, 0, 2, 2], [0, 0, 2, 1]], np.float32)
    assert box_iou(boxes, boxes)[0, 1] == 0.5
    assert len(nms(boxes, np.array([0.9, 0.8], np.float32), np.zeros(2, np.int64), 0.5, 10)) == 2
    assert len(nms(boxes, np.array([0.9, 0.8], np.float32), np.zeros(2, np.int64), 0.49, 10)) == 1


@given(st.lists(st.floats(-2, 2, width=32), max_size=30), st.integers(0, 40))
def test_descending_is_a_stable_sort(values, limit):
    scores = np.array(values, np.float32) + np.float32(0)  # -0 equals 0
    expected = sorted(range(len(values)), key=lambda n: (-scores[n], n))
    assert descending(scores).tolist() == expected
    assert descending(scores, limit).tolist() == expected[:limit]


def test_select_thresholds_sorts_and_limits():
    scores = np.array([[0.1, np.nan, 0.5], [0.9, 0.2, np.inf]], np.float32)
    classes, anchors, best = select(scores, DecodeSettings(0.2, 0.5))
    assert list(zip(classes.tolist(), anchors.tolist(), strict=True)) == [(1, 2), (1, 0), (0, 2), (1, 1)]
    assert best.tolist()[1:] == [np.float32(0.9), 0.5, np.float32(0.2)]
    classes, anchors, _ = select(scores, DecodeSettings(0.2, 0.5, max_candidates=2))
    assert list(zip(classes.tolist(), anchors.tolist(), strict=True)) == [(1, 2), (1, 0)]


def test_boxes_that_are_none_are_dropped_and_classes_are_told_apart():
    box = [10.0, 10.0, 20.0, 20.0]
    boxes = [box, [np.nan, 0, 1, 1], [0, 0, np.inf, 1], [5, 5, 4, 9], box, box, [1e30, 1e30, 3e38, 3e38]]
    found = Candidates(
        np.array(boxes, np.float32),
        np.array([0.5, 0.9, 0.9, 0.9, 0.6, 0.4, np.nan], np.float32),
        np.array([0, 0, 0, 0, 0, 1, 0]),
    )
    kept = suppress(found, DecodeSettings(0.1, 0.5), ["a", "b"])
    assert kept.scores.tolist() == [np.float32(0.6), np.float32(0.4)]
    assert kept.class_ids.tolist() == [0, 1]
    assert kept.name(1) == "b"


def test_huge_boxes_do_not_disturb():
    boxes = np.array([[-3e38, -3e38, 3e38, 3e38], [0, 0, 5, 5]], np.float32)
    assert len(nms(boxes, np.array([0.9, 0.8], np.float32), np.zeros(2, np.int64), 0.5, 10)) == 2


def test_candidates_say_what_is_wrong():
    with pytest.raises(ValueError, match=r"xyxy must be a 2-D array of shape \(n, 4\), but got shape \(2, 3\)"):
        Candidates(np.zeros((2, 3), np.float32), np.zeros(2, np.float32), np.zeros(2, np.int64))
