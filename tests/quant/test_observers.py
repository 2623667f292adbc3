from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from edgewright.errors import UserError
from edgewright.quant.grids import activation_grid
from edgewright.quant.observers import OBSERVERS, parse_observer
from edgewright.quant.observers.entropy import kl_divergence
from edgewright.quant.observers.mse import expected_error
from edgewright.quant.statistics import StreamingHistogram, TensorStatistics
from tests.quant.graphs import statistics_of

RNG = np.random.default_rng(0)
NORMAL = RNG.standard_normal(200_000)
SILU = NORMAL / (1 + np.exp(-NORMAL))
OUTLIERS = np.concatenate([RNG.standard_normal(50_000), [60.0]])
TENSORS = {
    "normal": NORMAL,
    "relu": np.maximum(NORMAL, 0),
    "negative": -np.abs(NORMAL),
    "silu": SILU,
    "outlier": OUTLIERS,
    "skewed": np.concatenate([RNG.exponential(1, 20_000), [-0.3]]),
}
SPELLINGS = [*OBSERVERS.names(), "percentile:99.9"]


def squared_error(values: NDArray[np.float64], low: float, high: float, symmetric: bool) -> float:
    dtype = "int8" if symmetric else "uint8"
    grid = activation_grid(low, high, dtype, symmetric)
    return float(((grid.dequantise(grid.quantise(values.astype(np.float32))) - values) ** 2).sum())


@pytest.mark.parametrize("spelling", SPELLINGS)
@pytest.mark.parametrize("symmetric", [False, True])
@settings(max_examples=40, deadline=None)
@given(values=arrays(np.float32, st.integers(0, 60), elements=st.floats(-(2.0**60), 2.0**60, width=32)))
def test_ranges_hold_zero_and_stay_inside_what_was_seen(
    spelling: str, symmetric: bool, values: NDArray[np.float32]
) -> None:
    observer = parse_observer(spelling)
    low, high = observer.range(statistics_of(values), 256, symmetric)
    assert low <= 0 <= high
    assert np.isfinite([low, high]).all()
    widest = np.abs(values).max(initial=0)
    assert low >= (-widest if symmetric else values.min(initial=0))
    assert high <= (widest if symmetric else values.max(initial=0))
    assert not symmetric or low == -high
    activation_grid(low, high, "uint8", symmetric)


def test_minmax_is_exact() -> None:
    found = statistics_of(SILU)
    assert parse_observer("minmax").range(found, 256, False) == (SILU.min(), SILU.max())
    assert parse_observer("minmax").range(found, 256, True) == (-SILU.max(), SILU.max())
    assert parse_observer("minmax").range(replace(found, histogram=None), 256, False) == (SILU.min(), SILU.max())
    assert parse_observer("minmax").range(statistics_of(np.array([2.0, 3.0])), 256, False) == (0, 3)


@pytest.mark.parametrize("name", TENSORS)
@pytest.mark.parametrize("share", [90.0, 99.0, 99.9, 99.99, 100.0])
def test_percentile_is_the_quantile(name: str, share: float) -> None:
    values = TENSORS[name]
    found = statistics_of(values)
    low, high = parse_observer(f"percentile:{share}").range(found, 256, False)
    both = values.min() < 0 < values.max()
    tail = (100 - share) / (2 if both else 1)
    # exact up to one bin, where the neighbours of the quantile are nearer than that
    allowed = found.histogram.width * 1.01 if found.histogram else 0
    assert _near(np.minimum(values, 0), low, tail, allowed) if values.min() < 0 else low == 0
    assert _near(np.maximum(values, 0), high, 100 - tail, allowed) if values.max() > 0 else high == 0
    assert _near(np.abs(values), parse_observer(f"percentile:{share}").range(found, 256, True)[1], share, allowed)


def _near(values: NDArray[np.float64], got: float, percent: float, allowed: float) -> bool:
    below = np.percentile(values, percent, method="lower")
    above = np.percentile(values, percent, method="higher")
    return bool(below - allowed <= got <= above + allowed)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(0, 5), min_size=4, max_size=16).filter(any), st.sampled_from([60.0, 90.0, 99.0]))
def test_percentile_against_counting_on_small_histograms(counts: list[int], share: float) -> None:
    values = np.repeat(np.arange(len(counts)) + 0.5, counts)
    low, high = parse_observer(f"percentile:{share}").range(statistics_of(values), 256, False)
    assert low == 0
    width = statistics_of(values).histogram.width  # type: ignore[union-attr]
    wanted = share / 100 * values.size
    # as many values as asked for are inside, and one step less holds fewer
    assert np.sum(values <= high + width) >= wanted - 1e-9
    assert np.sum(values < high - width) < wanted


def test_percentile_ignores_one_outlier_and_minmax_does_not() -> None:
    found = statistics_of(OUTLIERS)
    assert parse_observer("minmax").range(found, 256, False)[1] == 60
    assert parse_observer("percentile").range(found, 256, False)[1] < 5


@pytest.mark.parametrize("name", TENSORS)
@pytest.mark.parametrize("symmetric", [False, True])
def test_expected_error_is_the_real_error(name: str, symmetric: bool) -> None:
    values = TENSORS[name]
    histogram = statistics_of(values).histogram
    assert histogram is not None
    dense = StreamingHistogram(1 << 16)
    dense.add(values)
    for share in (1.0, 0.7, 0.3):
        low, high = min(0.0, values.min()) * share, max(0.0, values.max()) * share
        if symmetric:
            low, high = -max(-low, high), max(-low, high)
        told = expected_error(dense, np.array([low]), np.array([high]), 256, symmetric)[0]
        assert told == pytest.approx(squared_error(values, low, high, symmetric), rel=0.05), share


@pytest.mark.parametrize("name", TENSORS)
@pytest.mark.parametrize("symmetric", [False, True])
def test_mse_against_brute_force(name: str, symmetric: bool) -> None:
    values = TENSORS[name][:20_000] if name != "outlier" else OUTLIERS[-20_000:]
    found = statistics_of(values)
    low, high = parse_observer("mse").range(found, 256, symmetric)
    best = squared_error(values, low, high, symmetric)
    full_low, full_high = found.range_with_zero
    shares = np.linspace(0.05, 1, 14)
    if symmetric:
        widest = max(-full_low, full_high)
        others = [squared_error(values, -widest * s, widest * s, True) for s in np.linspace(0.02, 1, 60)]
    else:
        pairs = itertools.product(shares if full_low < 0 else [1], shares if full_high > 0 else [1])
        others = [squared_error(values, full_low * a, full_high * b, False) for a, b in pairs]
    assert best <= 1.03 * min(others)


def test_mse_clips_outliers_only_where_it_pays() -> None:
    many = np.concatenate([np.random.default_rng(1).standard_normal(2_000_000), [30.0]])
    assert parse_observer("mse").range(statistics_of(many), 256, False)[1] < 20
    even = np.linspace(-1, 1, 100_001)
    low, high = parse_observer("mse").range(statistics_of(even), 256, False)
    assert (low, high) == (pytest.approx(-1, abs=0.01), pytest.approx(1, abs=0.01))
    # 16 bits: steps are so fine that nothing is worth clipping
    assert parse_observer("mse").range(statistics_of(NORMAL), 65536, False)[1] > 0.95 * NORMAL.max()


def plain_divergence(counts: list[int], start: int, stop: int, levels: int) -> float:
    """The textbook's loops."""
    kept = counts[start:stop]
    p = [float(n) for n in kept]
    p[0] += sum(counts[:start])
    p[-1] += sum(counts[stop:])
    q = [0.0] * len(kept)
    for level in range(levels):
        begin, end = level * len(kept) // levels, (level + 1) * len(kept) // levels
        filled = [i for i in range(begin, end) if kept[i]]
        for i in filled:
            q[i] = sum(kept[begin:end]) / len(filled)
    return sum(a / sum(p) * np.log((a / sum(p)) / (b / sum(q))) for a, b in zip(p, q, strict=True) if a > 0)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.integers(0, 9), min_size=8, max_size=24), st.data())
def test_divergence_against_loops(counts: list[int], data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(counts) - 5))
    stop = data.draw(st.integers(start + 4, len(counts)))
    counts[start] = counts[stop - 1] = 3
    got = kl_divergence(np.array(counts, np.float64), start, stop, 4)
    assert got == pytest.approx(plain_divergence(counts, start, stop, 4), abs=1e-9)
    assert got >= -1e-12


def test_entropy_takes_the_least_divergence() -> None:
    values = np.concatenate([np.random.default_rng(5).exponential(0.3, 100_000), [9.0, 9.5]])
    found = statistics_of(values)
    assert found.histogram is not None
    counts = found.histogram.counts
    edges = found.histogram.edges
    filled = [stop for stop in range(256, counts.size + 1) if counts[stop - 1] or stop == counts.size]
    every = {stop: kl_divergence(counts.astype(float), 0, stop, 256) for stop in filled[:: max(1, len(filled) // 80)]}
    low, high = parse_observer("entropy").range(found, 256, False)
    chosen = int(np.searchsorted(edges, high * 1.001)) - 1
    assert low == 0
    assert kl_divergence(counts.astype(float), 0, max(chosen, 256), 256) <= min(every.values()) * 1.1 + 1e-6
    assert high < 9  # unlike some calibrators, it does clip


def test_entropy_keeps_even_data_whole_and_needs_fewer_levels_than_bins() -> None:
    even = statistics_of(np.linspace(-1, 1, 100_001))
    low, high = parse_observer("entropy").range(even, 256, False)
    assert (low, high) == (pytest.approx(-1, abs=0.02), pytest.approx(1, abs=0.02))
    assert parse_observer("entropy").range(statistics_of(NORMAL), 65536, False) == (NORMAL.min(), NORMAL.max())


def test_entropy_of_both_signs_clips_only_the_side_with_outliers() -> None:
    low, high = parse_observer("entropy").range(statistics_of(OUTLIERS), 256, False)
    assert 3 < high < 6
    assert low == OUTLIERS.min()
    a, b = parse_observer("entropy").range(statistics_of(OUTLIERS), 256, True)
    assert -a == b < 30


@pytest.mark.parametrize("spelling", SPELLINGS)
@pytest.mark.parametrize("symmetric", [False, True])
@pytest.mark.parametrize("offset", [5.0, -5.0])
def test_values_far_from_zero(spelling: str, symmetric: bool, offset: float) -> None:
    values = offset + np.random.default_rng(0).uniform(-0.5, 0.5, 10_000)
    low, high = parse_observer(spelling).range(statistics_of(values), 256, symmetric)
    wanted = (min(0, values.min()), max(0, values.max())) if not symmetric else (-abs(values).max(), abs(values).max())
    assert (low, high) == (pytest.approx(wanted[0], rel=0.03), pytest.approx(wanted[1], rel=0.03))


@pytest.mark.parametrize("spelling", SPELLINGS)
@pytest.mark.parametrize("values", [[], [0.0, 0.0], [2.5], [-2.5, -2.5]])
def test_constant_and_empty(spelling: str, values: list[float]) -> None:
    low, high = parse_observer(spelling).range(statistics_of(np.array(values)), 256, False)
    wanted = (min([0.0, *values]), max([0.0, *values]))
    assert (low, high) == (pytest.approx(wanted[0], rel=0.01), pytest.approx(wanted[1], rel=0.01))


def test_names() -> None:
    assert OBSERVERS.names() == ["entropy", "minmax", "mse", "percentile"]
    for spelling in SPELLINGS:
        assert parse_observer(spelling).name == spelling
    assert parse_observer("percentile:99.99").name == "percentile"
    assert parse_observer(" Percentile:99.9 ").name == "percentile:99.9"
    assert [OBSERVERS.get(n).needs_histogram for n in ("minmax", "mse")] == [False, True]


@pytest.mark.parametrize(
    ("text", "named"),
    [("percentle", "percentile"), ("min-max", "minmax"), ("percentile:high", "99.9"), ("percentile:3", "99.9"),
     ("percentile:nan", "99.9"), ("mse:0.5", "mse:4"), ("mse:x", "mse:4"),
     ("entropy:", "write entropy"), ("minmax:1", "write minmax")],
)  # fmt: skip
def test_errors_say_what_to_write(text: str, named: str) -> None:
    with pytest.raises(UserError) as caught:
        parse_observer(text)
    assert named in caught.value.todo


@pytest.mark.parametrize("name", ["percentile", "mse", "entropy"])
def test_a_missing_histogram_is_an_error(name: str) -> None:
    bare: TensorStatistics = replace(statistics_of(NORMAL), histogram=None)
    with pytest.raises(ValueError, match="needs a histogram of 't'"):
        parse_observer(name).range(bare, 256, False)


@pytest.mark.parametrize("power", [1.0, 2.0, 2.4, 3.0, 4.0, 5.0])
def test_expected_error_at_other_powers_is_the_real_error(power: float) -> None:
    values = NORMAL.astype(np.float64)
    dense = StreamingHistogram(1 << 16)
    dense.add(values)
    for low, high in ((-1.0, 2.0), (float(values.min()), float(values.max()))):
        grid = activation_grid(low, high, "uint8", False)
        real = np.abs(values - grid.dequantise(grid.quantise(values.astype(np.float32)))) ** power
        told = expected_error(dense, np.array([low]), np.array([high]), 256, False, power)[0]
        assert told == pytest.approx(real.sum(), rel=0.02)


def test_a_higher_power_clips_less() -> None:
    ends = [parse_observer(name).range(statistics_of(NORMAL), 256, False)[1] for name in ("mse", "mse:4", "mse:8")]
    assert ends == sorted(ends)
    assert ends[0] < ends[1]
    assert parse_observer("mse:4").name == "mse:4"
    assert parse_observer("mse:2").name == "mse"
