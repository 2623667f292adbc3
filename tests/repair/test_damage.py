"""Error by image, and whether a difference is more than noise."""

from __future__ import annotations

import json
import warnings

import numpy as np
import pytest

from edgewright.repair.damage import Damage, DamageMeter, is_less
from edgewright.tensors import Part

ROWS = Part("boxes", "out", 1, 0, 4, "boxes", 1), Part("scores", "out", 1, 4, None, "probability", 1)
MAPS = (Part("first", "a", 0, 0, None, "other", 1), Part("second", "b", 0, 0, None, "other", None))


def damage(*totals: float) -> Damage:
    return Damage(("a",), np.asarray(totals, np.float64)[:, None])


def noisy(images: int, factor: float, seed: int, spread: float = 0.3) -> Damage:
    """Damage that differs from image to image by more than candidates do."""
    images_differ = np.random.default_rng(0).lognormal(sigma=1.0, size=images)
    noise = np.random.default_rng(seed).lognormal(sigma=spread, size=images)
    return damage(*(factor * images_differ * noise))


def test_noise_is_no_gain() -> None:
    """Of candidates that are equal in truth, hardly any is called better; 2.5 % each way is what 2 errors mean."""
    called = sum(is_less(noisy(12, 1.0, seed), noisy(12, 1.0, seed + 1000)) for seed in range(300))
    assert called <= 0.06 * 300


def test_a_real_difference_is_seen_through_what_differs_between_images() -> None:
    found = [is_less(noisy(12, 0.6, seed), noisy(12, 1.0, seed + 1000)) for seed in range(100)]
    assert sum(found) >= 95
    back = [is_less(noisy(12, 1.0, seed + 1000), noisy(12, 0.6, seed)) for seed in range(100)]
    assert not any(back)


def test_more_images_resolve_a_smaller_difference() -> None:
    few = sum(is_less(noisy(12, 0.85, seed), noisy(12, 1.0, seed + 1000)) for seed in range(100))
    many = sum(is_less(noisy(96, 0.85, seed), noisy(96, 1.0, seed + 1000)) for seed in range(100))
    assert few < 70 < 90 < many


def test_the_same_is_not_less() -> None:
    same = damage(0.1, 0.2, 0.3)
    assert not is_less(same, same)
    assert not is_less(damage(0.0, 0.0), damage(0.0, 0.0))


def test_one_bad_image_does_not_decide() -> None:
    before = damage(*[0.1] * 11, 10.0)
    assert not is_less(damage(*[0.11] * 11, 1.0), before), "worse on 11 of 12 images"
    assert is_less(damage(*[0.05] * 11, 9.0), before)


def test_better_on_most_but_far_worse_on_one_is_not_less() -> None:
    assert not is_less(damage(*[0.05] * 11, 10.0), damage(*[0.1] * 12))


def test_of_one_image_the_smaller_is_less() -> None:
    assert is_less(damage(0.1), damage(0.2))
    assert not is_less(damage(0.2), damage(0.1))


def test_what_is_not_finite_is_worse_than_anything() -> None:
    broken, whole = damage(0.1, np.nan), damage(5.0, 5.0)
    assert broken.total == float("inf")
    assert is_less(whole, broken)
    assert not is_less(broken, whole)
    assert not is_less(broken, broken)


def test_other_images_cannot_be_compared() -> None:
    with pytest.raises(ValueError, match="damage on 2 images cannot be compared with 3"):
        is_less(damage(1, 2), damage(1, 2, 3))


def test_error_is_relative_to_the_part_over_all_images() -> None:
    meter = DamageMeter(MAPS)
    first, second = np.full((1, 2, 2), 2.0, np.float32), np.full((1, 3), 10.0, np.float32)
    meter.add({"a": first, "b": second}, {"a": first + 1, "b": second})
    meter.add({"a": 3 * first, "b": second}, {"a": 3 * first, "b": second - 1})
    found = meter.result()
    assert found.parts == ("first", "second")
    # squares of "first": 4 * 4 and 4 * 36, mean 80; of "second": 300
    np.testing.assert_allclose(found.images, [[4 / 80, 0], [0, 3 / 300]])
    assert found.total == pytest.approx((4 / 80 + 3 / 300) / 2)
    assert found.by_part == pytest.approx({"first": np.sqrt(2 / 80), "second": np.sqrt(1.5 / 300)})


def head(confidences: list[float]) -> np.ndarray:
    """One row of four box and one score channels."""
    boxes = np.tile(np.array([[100.0], [50.0], [20.0], [10.0]], np.float32), len(confidences))
    return np.concatenate([boxes, np.array([confidences], np.float32)])[None]


def test_the_box_of_an_anchor_that_sees_nothing_does_not_count() -> None:
    expected = head([0.9, 0.0])
    damaged = []
    for anchor in (0, 1):
        meter = DamageMeter(ROWS)
        wrong = expected.copy()
        wrong[0, :4, anchor] *= 0.5
        meter.add({"out": expected}, {"out": wrong})
        damaged.append(meter.result().by_part["boxes"])
    assert damaged == pytest.approx([0.5, 0.0])


def test_the_score_of_an_anchor_that_sees_nothing_does_count() -> None:
    expected, wrong = head([0.5, 0.0]), head([0.5, 0.5])
    meter = DamageMeter(ROWS)
    meter.add({"out": expected}, {"out": wrong})
    assert meter.result().by_part == pytest.approx({"boxes": 0.0, "scores": 1.0})


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e30])
def test_an_output_that_is_not_finite_makes_the_damage_infinite_and_warns_of_nothing(bad: float) -> None:
    expected = head([0.9, 0.0])
    wrong = expected.copy()
    wrong[0, 0, :] = bad
    meter = DamageMeter(ROWS)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        meter.add({"out": expected}, {"out": expected})
        meter.add({"out": expected}, {"out": wrong})
        found = meter.result()
    assert found.total == float("inf")
    again = Damage.from_json(json.loads(json.dumps(found.to_json(), allow_nan=False)))
    assert again.parts == found.parts
    np.testing.assert_array_equal(again.images, found.images)
    assert found.by_part == {"boxes": None, "scores": 0.0}


def test_a_part_that_is_zero_everywhere_does_not_hide_the_others() -> None:
    """A score map without any object, an output that is constant: it must still be told which candidate is better."""
    expected = {"a": np.ones((1, 2), np.float32), "b": np.zeros((1, 2), np.float32)}
    found = []
    for error in (0.1, 0.2):
        meter = DamageMeter(MAPS)
        for _ in range(3):
            meter.add(expected, {"a": expected["a"] + error, "b": expected["b"] + np.float32(1e-3)})
        found.append(meter.result())
    assert is_less(found[0], found[1])
    assert not is_less(found[1], found[0])


def test_no_image_is_no_damage() -> None:
    found = DamageMeter(MAPS).result()
    assert found.images.shape == (0, 2)
    assert found.total == 0.0
    assert found.by_part == {"first": 0.0, "second": 0.0}
    again = Damage.from_json(found.to_json())
    assert again.images.shape == (0, 2)
