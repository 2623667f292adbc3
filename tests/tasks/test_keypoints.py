import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from edgewright.data.contract import Placement
from edgewright.errors import DataError
from edgewright.tasks import recognise
from edgewright.tasks.base import FAMILIES, DecodeSettings
from edgewright.tasks.keypoints.homography import homography_pairs, warp_points
from edgewright.tasks.keypoints.keypoints import Keypoints
from edgewright.tasks.keypoints.metrics import keypoint_metrics, mutual_matches
from edgewright.tasks.keypoints.postprocess import decode_keypoints, radius_nms
from edgewright.tasks.keypoints.superpoint import sample_descriptors
from tests.tasks import task_models as tiny


def test_keypoints_say_what_is_wrong():
    good = Keypoints.empty(8)
    assert len(good) == 0
    with pytest.raises(ValueError, match=r"xy must be a 2-D array of shape \(n, 2\), but got shape \(3, 3\)"):
        Keypoints(np.zeros((3, 3), np.float32), good.scores, good.descriptors)
    with pytest.raises(ValueError, match=r"scores must have shape \(1,\) as xy has, but got shape \(0,\)"):
        Keypoints(np.zeros((1, 2), np.float32), good.scores, good.descriptors)
    with pytest.raises(ValueError, match=r"descriptors must be a 2-D array of shape \(1, d\)"):
        Keypoints(np.zeros((1, 2), np.float32), np.zeros(1, np.float32), good.descriptors)


def plain_radius_nms(scores, radius):
    kept = np.zeros(scores.shape, bool)
    points = sorted((-scores[y, x], y, x) for y, x in zip(*np.nonzero(scores > 0), strict=True))
    for _, y, x in points:
        window = kept[max(y - radius, 0) : y + radius + 1, max(x - radius, 0) : x + radius + 1]
        kept[y, x] = not window.any()
    return kept


@settings(max_examples=80, deadline=None)
@given(arrays.arrays(np.float32, (9, 11), elements=st.sampled_from([0, 0.25, 0.5, 1])), st.integers(0, 4))
def test_radius_nms_keeps_what_plain_greedy_suppression_keeps(scores, radius):
    assert (radius_nms(scores, radius) == plain_radius_nms(scores, radius)).all()


def plain_superpoint(semi, desc, confidence, radius):
    """Points and descriptors, one pixel at a time."""
    _, rows, columns = semi.shape
    heat = np.zeros((rows * 8, columns * 8))
    for r in range(rows):
        for c in range(columns):
            powers = np.exp(semi[:, r, c].astype(float))
            for pixel in range(64):
                heat[r * 8 + pixel // 8, c * 8 + pixel % 8] = powers[pixel] / powers.sum()
    heat[heat < confidence] = 0
    kept = plain_radius_nms(heat, radius)
    points = []
    for y in range(4, rows * 8 - 4):
        for x in range(4, columns * 8 - 4):
            if kept[y, x]:
                points.append((heat[y, x], x, y, plain_descriptor(desc, x, y)))
    return sorted(points, key=lambda p: -p[0])


def plain_descriptor(desc, x, y):
    _, rows, columns = desc.shape
    u, v = min(max((x - 3.5) / 8, 0), columns - 1), min(max((y - 3.5) / 8, 0), rows - 1)
    total = 0
    for row in range(rows):
        for column in range(columns):
            total = total + desc[:, row, column] * max(0, 1 - abs(u - column)) * max(0, 1 - abs(v - row))
    return total / math.sqrt(float((total**2).sum()))


def test_superpoint_against_plain_formulas():
    random = np.random.default_rng(0)
    semi = random.normal(0, 2, (65, 4, 5)).astype(np.float32)
    desc = random.normal(0, 1, (16, 4, 5)).astype(np.float32)
    model = tiny.superpoint(swapped=True)
    head, family = recognise(model), FAMILIES.get("superpoint")
    contract = family.contract(head, model)
    found = family.decode({"p": semi[None], "q": desc[None]}, head, contract, DecodeSettings(0.02, 3))
    expected = plain_superpoint(semi, desc, 0.02, 3)
    assert len(found) == len(expected) > 5
    np.testing.assert_allclose(found.xy, [(x, y) for _, x, y, _ in expected])
    np.testing.assert_allclose(found.scores, [score for score, *_ in expected], rtol=1e-4)
    np.testing.assert_allclose(found.descriptors, [d for *_, d in expected], atol=1e-5)
    best = family.decode({"p": semi[None], "q": desc[None]}, head, contract, DecodeSettings(0.02, 3, max_results=3))
    np.testing.assert_array_equal(best.xy, found.xy[:3])


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 0.0, 3e38])
def test_superpoint_survives_broken_outputs(value):
    model = tiny.superpoint()
    head, family = recognise(model), FAMILIES.get("superpoint")
    outputs = {"p": np.full((1, 65, 4, 5), value, np.float32), "q": np.full((1, 16, 4, 5), value, np.float32)}
    found = family.decode(outputs, head, family.contract(head, model), DecodeSettings(0.001, 4))
    assert np.isfinite(found.descriptors).all()
    assert np.isfinite(found.scores).all()


def test_keypoints_are_mapped_pixel_centre_to_pixel_centre():
    model = tiny.superpoint()
    head, family = recognise(model), FAMILIES.get("superpoint")
    semi = np.zeros((1, 65, 4, 5), np.float32)
    semi[0, 9, 1, 2] = 20  # pixel (1, 1) of cell (2, 1): (17, 9)
    outputs = {"p": semi, "q": np.ones((1, 16, 4, 5), np.float32)}
    place = Placement(0.5, 0.5, 0.0, 0.0, 80, 64)
    found = decode_keypoints(family, outputs, head, family.contract(head, model), DecodeSettings(0.5, 4), place)
    assert found.xy.tolist() == [[34.5, 18.5]]  # two by two image pixels: 34..35, 18..19


def test_a_zero_descriptor_stays_zero():
    assert not sample_descriptors(np.zeros((8, 2, 2), np.float32), np.array([[3.0, 3.0]], np.float32)).any()


def picture():
    random = np.random.default_rng(0)
    return random.integers(0, 256, (120, 160), np.uint8)


def test_homographies_are_reproducible_and_point_the_right_way():
    import cv2

    image = np.zeros((120, 160), np.uint8)
    cv2.circle(image, (80, 60), 3, 255, -1)
    warped, matrix = homography_pairs(image, 7)
    again, same = homography_pairs(image, 7)
    assert (warped == again).all()
    assert (matrix == same).all()
    assert not np.allclose(homography_pairs(image, 8)[1], matrix)
    ys, xs = np.nonzero(warped > 128)
    np.testing.assert_allclose(warp_points(np.array([[80, 60]]), matrix)[0], [xs.mean(), ys.mean()], atol=1)


class Oracle:
    """A network that knows the mapping: the same points in both views, `wrong` of them moved away in the second."""

    def __init__(self, image, seed, wrong=0):
        y, x = np.mgrid[30:100:10, 30:140:10]
        points = np.stack([x.reshape(-1), y.reshape(-1)], axis=1).astype(np.float32)
        matrix = homography_pairs(image, seed)[1]
        there = warp_points(points, matrix)
        seen = ((there >= 8) & (there <= [151, 111])).all(axis=1)
        self.points, self.there = points[seen], there[seen].astype(np.float32)
        self.there[:wrong] += 5
        self.calls = 0

    def __call__(self, _image):
        xy = self.there if self.calls else self.points
        self.calls += 1
        return Keypoints(xy, np.ones(len(xy), np.float32), np.eye(len(xy), dtype=np.float32))


def test_perfect_points_have_perfect_figures():
    metric = keypoint_metrics(Oracle(picture(), 5), [picture()], 5, 1)
    assert metric.value == 100
    assert metric.details["repeatability@3px"] == 1
    assert [metric.details[f"homography@{n}px"] for n in (1, 3, 5)] == [1, 1, 1]


def test_wrong_matches_count_as_wrong():
    oracle = Oracle(picture(), 5, wrong=20)
    metric = keypoint_metrics(oracle, [picture()], 5, 1)
    assert metric.details["matches per pair"] == len(oracle.points) > 40
    assert metric.value == pytest.approx(100 * (len(oracle.points) - 20) / len(oracle.points))
    assert metric.details["repeatability@3px"] < 1


def test_nothing_found_gives_zero_not_nan():
    metric = keypoint_metrics(lambda _: Keypoints.empty(8), [picture()], 0, 2)
    assert metric.value == 0
    assert metric.details["homography@5px"] == 0
    with pytest.raises(DataError):
        keypoint_metrics(lambda _: Keypoints.empty(8), [], 0, 2)


def test_mutual_matches_need_both_sides():
    a = np.eye(3, dtype=np.float32)[:2]
    b = np.array([[0.9, 0.1, 0], [0.8, 0, 0]], np.float32)
    assert mutual_matches(a, b).tolist() == [[0, 0]]
