"""How wrong a tensor is: as a whole, and by channel, where a whole figure hides damage.

Boxes of hundreds and scores below one on one grid are 2 % wrong as a whole, and every score is gone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgewright.quant.error_sums import relative


@dataclass(frozen=True)
class Told:
    """The error of a tensor on one image, told two ways.

    Attributes:
        whole: relative L2 of all values, |found - expected| / |expected|; None: not finite.
        axis: the axis along which the channels lie; None for a tensor that has none.
        by_channel: mean over the channels of their own relative L2, each at most 1; 0 without channels.
    """

    whole: float | None
    axis: int | None
    by_channel: float

    @property
    def size(self) -> float:
        """The larger of the two; infinite where the whole is not finite."""
        return max(self._whole, self.by_channel)

    @property
    def hidden(self) -> bool:
        """Whether the figure of the whole tensor hides more than it shows."""
        return self.whole is not None and self.by_channel > 2 * self.whole

    def shows(self, other: Told, share: float) -> bool:
        """Whether this is at least a share of another error, as a whole."""
        return self._whole >= share * other._whole

    def shows_by_channel(self, other: Told, share: float) -> bool:
        """Whether this is at least a share of another error by channel; none is of one that is not finite."""
        return other.whole is not None and other.by_channel > 0 and self.by_channel >= share * other.by_channel

    @property
    def _whole(self) -> float:
        return float("inf") if self.whole is None else self.whole


def tell(expected: NDArray[Any], found: NDArray[Any], axis: int | None = None) -> Told:
    """The error of `found`.

    Args:
        expected: what is right, of any shape.
        found: of the same shape.
        axis: where the channels lie; None: the axis of those that may be it by whose channels the error is larger.
    """
    right = expected.astype(np.float64)
    gap = found.astype(np.float64) - right
    whole = relative(float(np.square(gap).sum()), float(np.square(right).sum()))
    axes = _channel_axes(right.shape) if axis is None else [axis]
    means = {number: _by_channel(right, gap, number) for number in axes}
    chosen = max(means, key=lambda number: means[number], default=None)
    return Told(whole, chosen, 0.0 if chosen is None else means[chosen])


def _channel_axes(shape: tuple[int, ...]) -> list[int]:
    """Axes that may be that of channels: those of feature maps lie along axis 1, those of a list of boxes last too."""
    axes = (1,) if len(shape) == 4 else (1, len(shape) - 1)
    return [axis for axis in dict.fromkeys(axes) if 0 < axis < len(shape) and shape[axis] > 1]


def _by_channel(right: NDArray[np.float64], gap: NDArray[np.float64], axis: int) -> float:
    others = tuple(number for number in range(right.ndim) if number != axis)
    errors, references = (np.square(values).sum(axis=others) for values in (gap, right))
    found = [relative(error, reference) for error, reference in zip(errors.tolist(), references.tolist(), strict=True)]
    return float(np.mean([1.0 if error is None else min(1.0, error) for error in found]))
