"""Sums from which the errors of quantised tensors follow, added up over images."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class ErrorSums:
    """What was added up for one tensor. f: its values in the float network; e: an error, values minus f.

    Attributes:
        images: images seen.
        elements: values in one image (of the last, where that differs).
        count: values in all images.
        minimum, maximum: of f; 0 where there are no values.
        reference: sum of f * f.
        isolated: sum of e * e of the op on its grids (inputs, weights, output) from f of its inputs; for what an op in
            float makes, and for a network input, the same as `grid`.
        grid: sum of e * e of the tensor's own grid alone, applied to f.
        accumulated: sum of e * e in the network that is quantised as planned.
        planned: sum of squares of the tensor in that network.
        weight: sum of e * e of the op with only its weights, biases and constants on their grids, and sum of f * f,
            both over the first images only; None for an op without any.
        saturated: values of f that lie more than half a step outside the grid.
        channels: (2, channels) sums of e * e, as in `accumulated`, and of f * f along axis 1; None unless asked for.
    """

    images: int
    elements: int
    count: int
    minimum: float
    maximum: float
    reference: float
    isolated: float
    grid: float
    accumulated: float
    planned: float
    weight: tuple[float, float] | None
    saturated: int
    channels: NDArray[np.float64] | None = None

    @property
    def cosine(self) -> float:
        """Cosine of the accumulated tensor with f; 1 where both are zero, 0 where one is or a value is not finite."""
        if self.reference == 0.0 and self.accumulated == 0.0:
            return 1.0
        scale = 2.0 * math.sqrt(self.reference) * math.sqrt(self.planned)
        value = (self.reference + self.planned - self.accumulated) / scale if scale else 0.0
        return max(-1.0, min(1.0, value)) if math.isfinite(value) else 0.0


def relative(error: float, reference: float) -> float | None:
    """Relative L2 of a sum of squared errors; None where it is not finite."""
    if error == 0.0 and math.isfinite(reference):
        return 0.0
    value = math.sqrt(error / reference) if reference > 0.0 and error >= 0.0 else math.inf
    return value if math.isfinite(value) else None


@dataclass
class RunningSums:
    """Running totals of one tensor; `ErrorSums` says what they mean."""

    images: int = 0
    elements: int = 0
    count: int = 0
    minimum: float = math.inf
    maximum: float = -math.inf
    reference: float = 0.0
    isolated: float = 0.0
    grid: float = 0.0
    accumulated: float = 0.0
    planned: float = 0.0
    saturated: int = 0
    weight: tuple[float, float] | None = None
    channels: NDArray[np.float64] | None = None

    def add(self, numbers: dict[str, float]) -> None:
        """Add what the graph reduced for one image."""
        self.images += 1
        self.elements = int(numbers["elements"])
        self.count += self.elements
        if self.elements:
            self.minimum, self.maximum = min(self.minimum, numbers["minimum"]), max(self.maximum, numbers["maximum"])
        self.reference += numbers["reference"]
        self.grid += numbers["grid"]
        self.isolated += numbers.get("isolated", numbers["grid"])
        self.accumulated += numbers["accumulated"]
        self.planned += numbers["planned"]
        self.saturated += round(numbers["saturated"]) if math.isfinite(numbers["saturated"]) else 0

    def add_weight(self, error: float, reference: float) -> None:
        """Add what the weights alone did in one image."""
        before = self.weight or (0.0, 0.0)
        self.weight = (before[0] + error, before[1] + reference)

    def add_channels(self, sums: NDArray[np.float64]) -> None:
        """Add sums by channel of one image, (2, channels)."""
        self.channels = sums if self.channels is None else self.channels + sums

    def result(self) -> ErrorSums:
        """The totals so far."""
        data = dict(self.__dict__)
        if not self.count:
            data.update(minimum=0.0, maximum=0.0)
        return ErrorSums(**data)
