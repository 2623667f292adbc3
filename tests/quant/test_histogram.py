from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from edgewright.quant.statistics import StreamingHistogram

FLOATS = st.floats(-(2.0**100), 2.0**100, width=32)
STREAMS = st.lists(st.lists(FLOATS, max_size=30), min_size=1, max_size=6)


def arrays(stream: list[list[float]]) -> list[NDArray[np.float32]]:
    return [np.array(part, np.float32) for part in stream]


def assert_counts(histogram: StreamingHistogram, values: NDArray[np.float32]) -> None:
    expected, _ = np.histogram(values.astype(np.float64), histogram.edges)
    np.testing.assert_array_equal(histogram.counts, expected)
    assert histogram.total == values.size
    assert 1 <= histogram.counts.size <= histogram.bins


@settings(max_examples=150, deadline=None)
@given(STREAMS, st.sampled_from([4, 16, 2048]))
def test_equals_numpy_on_everything_seen(stream: list[list[float]], bins: int) -> None:
    histogram = StreamingHistogram(bins)
    for part in arrays(stream):
        histogram.add(part)
    assert_counts(histogram, np.concatenate(arrays(stream)))


@pytest.mark.parametrize("sign", [0.0, 1.0, -1.0])
def test_growing_range_over_many_decades(sign: float) -> None:
    rng = np.random.default_rng(0)
    histogram = StreamingHistogram(256)
    seen = []
    for exponent in (-30, -3, 0, 1, 2, 7, 7, 20, 3):
        part = rng.standard_normal(500) * 2.0**exponent
        part = np.abs(part) * sign if sign else part
        histogram.add(part.astype(np.float32))
        seen.append(part.astype(np.float32))
    assert_counts(histogram, np.concatenate(seen))
    assert histogram.counts.size > 64  # growth leaves no needlessly coarse bins


def test_bins_are_used_well() -> None:
    for top in (0.6, 1.0, 1.01, 255.0, 1e-9, 3e30):
        histogram = StreamingHistogram()
        histogram.add(np.linspace(0, top, 1000))
        assert 1024 <= histogram.counts.size <= 2048
        two_sided = StreamingHistogram()
        two_sided.add(np.linspace(-top, top, 1000))
        assert 1024 <= two_sided.counts.size <= 2048


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(FLOATS, st.integers(1, 50)), max_size=20))
def test_counts_of_values_are_repeated_values(pairs: list[tuple[float, int]]) -> None:
    values, counts = np.array([v for v, _ in pairs], np.float64), np.array([n for _, n in pairs], np.int64)
    weighted, repeated = StreamingHistogram(32), StreamingHistogram(32)
    weighted.add_counts(values, counts)
    repeated.add(np.repeat(values, counts))
    np.testing.assert_array_equal(weighted.edges, repeated.edges)
    np.testing.assert_array_equal(weighted.counts, repeated.counts)


def test_order_does_not_matter() -> None:
    values = np.random.default_rng(3).standard_normal(1000) * 10.0 ** np.arange(-5, 5).repeat(100)
    up, down = StreamingHistogram(128), StreamingHistogram(128)
    for part in np.split(values, 20):
        up.add(part)
    for part in np.split(values, 20)[::-1]:
        down.add(part)
    np.testing.assert_array_equal(up.counts, down.counts)
    np.testing.assert_array_equal(up.edges, down.edges)


def test_refuses_nan_and_infinity_and_keeps_what_it_has() -> None:
    histogram = StreamingHistogram()
    histogram.add(np.array([1.0, 2.0]))
    for bad in (np.nan, np.inf, -np.inf):
        with pytest.raises(ValueError, match="finite"):
            histogram.add(np.array([0.5, bad]))
    assert histogram.total == 2


def test_restored_refuses_what_cannot_be() -> None:
    for width, first, size in ((0.3, 0, 4), (0.5, 1, 4), (0.5, -9, 4), (0.5, 0, 99)):
        with pytest.raises(ValueError, match="no histogram"):
            StreamingHistogram.restored(8, width, first, np.ones(size, np.int64))
