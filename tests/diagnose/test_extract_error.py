"""How wrong a tensor is, as a whole and by channel."""

from __future__ import annotations

import numpy as np
import pytest

from edgewright.diagnose.extract_error import Told, tell
from tests.helpers import normal


def test_a_whole_figure_hides_channels_that_are_lost() -> None:
    right = normal(1, 4, 5, 5)
    right[:, :2] *= 1000
    wrong = right.copy()
    wrong[:, 2:] = 0
    told = tell(right, wrong)
    assert told.axis == 1
    assert told.by_channel == pytest.approx(0.5)
    assert told.whole == pytest.approx(np.linalg.norm(right[:, 2:]) / np.linalg.norm(right))
    assert told.hidden
    assert told.size == told.by_channel


def test_channels_may_lie_last_in_a_list() -> None:
    right = normal(1, 50, 6)
    wrong = right.copy()
    wrong[..., 5] = 0
    right[..., :5] *= 1000
    wrong[..., :5] *= 1000
    told = tell(right, wrong)
    assert told.axis == 2
    assert told.by_channel == pytest.approx(1 / 6)
    assert tell(right, wrong, axis=1).axis == 1


def test_an_even_error_is_told_as_a_whole() -> None:
    right = normal(1, 4, 5, 5)
    told = tell(right, right * 1.5)
    assert told.whole == pytest.approx(0.5)
    assert told.by_channel == pytest.approx(0.5)
    assert not told.hidden


@pytest.mark.parametrize("shape", [(), (3,), (1, 1, 4, 4), (0, 4)])
def test_tensors_without_channels_or_values(shape: tuple[int, ...]) -> None:
    told = tell(np.ones(shape, np.float32), np.full(shape, 2, np.float32))
    assert told.by_channel == 0.0
    assert told.whole == (1.0 if np.prod(shape) else 0.0)


def test_values_that_are_not_finite_and_channels_of_zeros() -> None:
    right = normal(1, 2, 3, 3)
    wrong = right.copy()
    wrong[0, 0, 0, 0] = np.inf
    told = tell(right, wrong)
    assert told.whole is None
    assert told.size == float("inf")
    assert told.by_channel == pytest.approx(0.5)
    right[0, 0] = 0
    assert tell(right, right + np.float32(1e-6)).by_channel == pytest.approx(0.5, abs=1e-3)


def test_shares_of_another_error() -> None:
    small, large, broken = Told(0.1, 1, 0.6), Told(0.5, 1, 0.7), Told(None, 1, 0.9)
    assert not small.shows(large, 0.5)
    assert small.shows_by_channel(large, 0.5)
    assert large.shows(small, 0.5)
    assert broken.shows(broken, 0.5)
    assert not large.shows(broken, 0.5)
    assert not large.shows_by_channel(broken, 0.5)
    assert not Told(0.1, None, 0.0).shows_by_channel(Told(0.9, None, 0.0), 0.5)
