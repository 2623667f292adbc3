"""Channels that may share a step."""

from __future__ import annotations

import numpy as np
import pytest

from edgewright.graph.rewrites.channel_groups import channel_groups, lost_bits, mean_loss


def groups(*sizes: float, most: int = 4) -> list[list[int]]:
    bits = lost_bits(np.asarray(sizes, np.float64)[:, None])
    return [group.tolist() for group in channel_groups(bits, most)]


def test_channels_of_like_size_stay_together() -> None:
    assert groups(1.0, 0.9, 0.8, 1.0) == [[0, 1, 2, 3]]


def test_the_largest_weights_come_first_and_each_size_has_a_group() -> None:
    assert groups(0.01, 1.0, 0.012, 0.9, 0.1) == [[1, 3], [4], [0, 2]]


def test_no_more_groups_than_allowed() -> None:
    sizes = [2.0**-power for power in range(0, 21, 3)]
    assert len(groups(*sizes, most=2)) == 2
    assert len(groups(*sizes, most=3)) == 3


def test_every_layer_of_a_chain_counts() -> None:
    """The first layer alone would take all of them together, the second alone the two halves."""
    bits = lost_bits(np.array([[1.0, 1.0], [1.0, 0.01], [0.01, 1.0], [0.01, 0.01]]))
    assert [group.tolist() for group in channel_groups(bits, 4)] == [[0], [1], [2], [3]]


def test_a_dead_channel_asks_for_nothing() -> None:
    assert groups(1.0, 0.0, 1.0) == [[0, 1, 2]]


def test_loss_is_the_squared_ratio_of_steps() -> None:
    bits = lost_bits(np.array([[1.0], [0.25]]))
    assert bits[:, 0].tolist() == [0.0, 2.0]
    assert mean_loss(bits, [np.array([0, 1])]) == pytest.approx((1 + 16) / 2)
    assert mean_loss(bits, [np.array([0]), np.array([1])]) == pytest.approx(1.0)
