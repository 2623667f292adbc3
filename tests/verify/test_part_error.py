"""Part errors against plain NumPy, and the forms that break plain formulas."""

from __future__ import annotations

import math

import numpy as np
import pytest

from edgewright.tensors import Part
from edgewright.verify.part_error import PartErrors

PARTS = (Part("boxes", "out", 1, 0, 4, "boxes"), Part("scores", "out", 1, 4, None, "probability"))


def run(*pairs: tuple[np.ndarray, np.ndarray]) -> dict[str, object]:
    errors = PartErrors(PARTS)
    for reference, candidate in pairs:
        errors.update({"out": reference}, {"out": candidate})
    return {error.part: error for error in errors.result()}


def test_figures_equal_the_plain_formulas_over_all_images() -> None:
    generator = np.random.default_rng(3)
    a = generator.normal(size=(5, 1, 7, 30)).astype(np.float32)
    b = (a + generator.normal(scale=0.1, size=a.shape)).astype(np.float32)
    found = run(*zip(a, b, strict=True))
    for name, rows in (("boxes", slice(0, 4)), ("scores", slice(4, None))):
        x, y = a[:, :, rows].astype(float), b[:, :, rows].astype(float)
        error = found[name]
        assert error.cosine == pytest.approx((x * y).sum() / math.sqrt((x**2).sum() * (y**2).sum()))
        assert error.relative_l2 == pytest.approx(np.linalg.norm(y - x) / np.linalg.norm(x))
        assert error.sqnr_db == pytest.approx(10 * math.log10((x**2).sum() / ((y - x) ** 2).sum()))
        assert error.max_error == pytest.approx(np.abs(y - x).max())
        per_channel = [np.linalg.norm((y - x)[:, :, c]) / np.linalg.norm(x[:, :, c]) for c in range(x.shape[2])]
        assert error.channels == pytest.approx(per_channel)


def test_damage_to_small_scores_shows_in_their_part_only() -> None:
    a = np.ones((1, 6, 10), np.float32)
    a[:, :4] = 300
    b = a.copy()
    b[:, 4:] = 0
    found = run((a, b))
    assert found["boxes"].relative_l2 == 0
    assert found["boxes"].sqnr_db is None
    assert found["scores"].relative_l2 == 1
    assert found["scores"].cosine == 0


def test_non_finite_values_give_none_and_not_nan() -> None:
    a = np.ones((1, 6, 4), np.float32)
    for bad in (np.nan, np.inf, -np.inf):
        b = a.copy()
        b[0, 0, 0] = bad
        error = run((a, b))["boxes"]
        assert error.relative_l2 is None
        assert error.max_error is None
        assert error.channels[0] is None
        assert error.channels[1] == 0
        assert math.isfinite(error.cosine)


def test_zero_reference_and_zero_candidate_agree() -> None:
    zero = np.zeros((1, 6, 4), np.float32)
    error = run((zero, zero))["scores"]
    assert (error.cosine, error.relative_l2) == (1.0, 0.0)
    assert run((zero, zero + 1))["scores"].relative_l2 is None


def test_another_shape_is_an_error() -> None:
    with pytest.raises(ValueError, match="shape"):
        run((np.zeros((1, 6, 4)), np.zeros((1, 6, 5))))
