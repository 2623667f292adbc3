"""The range with the least expected error: the balance of clipping and rounding."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgewright.errors import UserError
from edgewright.quant.histogram import StreamingHistogram
from edgewright.quant.observers.base import OBSERVERS, exact_range, histogram_of
from edgewright.quant.statistics import Range, TensorStatistics

_SQUARE = 2.0
_HIGHEST = 16
_COARSE = np.linspace(1.0, 0.02, 50)
_ZOOMS = (0.03, 0.006)
"""Around the best candidate so far: half the distance of the coarse ones, then a fifth of that."""
_POINTS = np.linspace(-1.0, 1.0, 11)


@dataclass(frozen=True)
class MeanSquaredError:
    """Searches low and high for the least error between values and their quantised selves.

    The error is the mean of |difference| ** power. Power 2 is the mean squared error; a larger one punishes what is
    clipped more, so the range comes closer to the whole one: for networks whose rare large values matter.

    First both ends shrink together, then each end for itself, from coarse to fine. Within a bin values count as spread
    evenly, and the error is integrated over the bin, not taken at its middle: rounding error has the period of the
    step, and samples would beat with it.
    """

    power: float = 2.0
    needs_histogram = True

    @property
    def name(self) -> str:
        """The spelling that `parse_observer` reads."""
        return "mse" if self.power == _SQUARE else f"mse:{self.power:g}"

    def range(self, stats: TensorStatistics, levels: int, symmetric: bool) -> Range:
        """See `Observer.range`."""
        histogram = histogram_of(stats, self.name)
        low, high = exact_range(stats, symmetric)
        if high <= low:
            return low, high
        best = np.array([1.0, 1.0])  # factors of low and high
        ends: list[tuple[int, ...]] = [(0, 1)]
        if low < 0 < high and not symmetric:
            ends += [(0,), (1,), (0,)]
        for moved in ends:
            best = _search(histogram, np.array([low, high]), best, moved, levels, symmetric, self.power)
        return float(low * best[0]), float(high * best[1])

    def with_parameter(self, text: str) -> MeanSquaredError:
        """See `Observer.with_parameter`."""
        try:
            power = float(text)
        except ValueError:
            power = 0.0
        if not 1 <= power <= _HIGHEST:
            raise UserError(f"observer mse takes a power from 1 to {_HIGHEST}, not {text!r}", todo="write mse or mse:4")
        return MeanSquaredError(power)


def _search(
    histogram: StreamingHistogram,
    full: NDArray[np.float64],
    best: NDArray[np.float64],
    moved: tuple[int, ...],
    levels: int,
    symmetric: bool,
    power: float,
) -> NDArray[np.float64]:
    """Better factors of the ends `moved`; never worse than `best`."""
    for zoom in (None, *_ZOOMS):
        factors = _COARSE if zoom is None else np.clip(best[moved[0]] + zoom * _POINTS, 0.002, 1.0)
        candidates = np.tile(best, (factors.size + 1, 1))
        candidates[:-1, moved] = factors[:, None]
        ranges = candidates * full
        errors = expected_error(histogram, ranges[:, 0], ranges[:, 1], levels, symmetric, power)
        best = candidates[int(np.argmin(errors))]
    return best


def expected_error(
    histogram: StreamingHistogram,
    low: NDArray[np.float64],
    high: NDArray[np.float64],
    levels: int,
    symmetric: bool,
    power: float = 2.0,
) -> NDArray[np.float64]:
    """Summed |error| ** power of quantising everything in the histogram.

    Args:
        histogram: the values.
        low, high: (n,) candidate ranges, low <= 0 <= high, low < high.
        levels: number of codes.
        symmetric: code 0 in the middle, as `activation_grid` makes it.

    Returns:
        (n,) errors, on the grids that `activation_grid` would make, but for float32 rounding.
    """
    if symmetric:
        step = np.maximum(-low, high) / (levels // 2 - 1)
        first = np.full(step.shape, -(levels // 2), np.float64)
    else:
        step = (high - low) / (levels - 1)
        first = -np.clip(np.rint(-low / step), 0, levels - 1)
    edges = histogram.edges[None] / step[:, None]
    area = np.diff(_integral(edges, first[:, None], (first + levels - 1)[:, None], power), axis=1)
    # in units of steps: error step**power times the mean over a bin that is width / step steps wide
    weighted = np.einsum("ij,j->i", area, histogram.counts.astype(np.float64))
    return np.asarray(weighted * step ** (power + 1) / histogram.width)


def _integral(
    at: NDArray[np.float64], first: NDArray[np.float64], last: NDArray[np.float64], power: float
) -> NDArray[np.float64]:
    """Integral of |error| ** power from 0 to `at`, all in steps, for codes first..last (code 0 is real 0).

    With n = power + 1, each whole step inside the range adds 2 * 0.5 ** n / n and the rest |rest| ** n / n; outside the
    error is the distance to the nearest code, and |distance| ** n / n is added to what the range gives.
    """
    inside = np.clip(at, first, last)
    nearest = np.rint(inside)
    rounding, clipping = inside - nearest, at - inside
    grown = _signed_power(rounding, power + 1) + _signed_power(clipping, power + 1)
    return np.asarray((nearest * 2 * 0.5 ** (power + 1) + grown) / (power + 1))


def _signed_power(values: NDArray[np.float64], power: float) -> NDArray[np.float64]:
    """sign(x) * |x| ** power; whole powers by multiplication, which is ten times faster than `**`."""
    if power == int(power):
        result = values * np.abs(values) if power % 2 == 0 else values.copy()
        for _ in range(2, int(power), 2) if power % 2 == 0 else range(1, int(power), 2):
            result = result * values * values
        return np.asarray(result)
    return np.asarray(np.sign(values) * np.abs(values) ** power)


OBSERVERS.add("mse", MeanSquaredError())
