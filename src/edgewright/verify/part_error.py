"""Errors by part, accumulated over images without keeping any of them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgewright.tensors import Part
from edgewright.verify.results import PartError


class PartErrors:
    """Running sums for every part; memory does not grow with the number of images.

    Args:
        parts: slices of the outputs to tell apart.
    """

    def __init__(self, parts: Sequence[Part]) -> None:
        self._parts = tuple(parts)
        self._sums = [_Sums() for _ in parts]

    def update(self, reference: Mapping[str, NDArray[Any]], candidate: Mapping[str, NDArray[Any]]) -> None:
        """Add the outputs of one image.

        Raises:
            ValueError: an output has another shape than the reference.
        """
        for part, sums in zip(self._parts, self._sums, strict=True):
            expected, got = part.take(reference), part.take(candidate)
            if expected.shape != got.shape:
                raise ValueError(f"{part.output}: shape {got.shape} instead of {expected.shape}")
            sums.add(expected, got, part.channel_axis)

    def result(self) -> tuple[PartError, ...]:
        """The errors over all images so far."""
        return tuple(sums.error(part.name) for part, sums in zip(self._parts, self._sums, strict=True))


class _Sums:
    def __init__(self) -> None:
        self.dot = self.reference = self.candidate = self.error_sum = self.largest = 0.0
        self.channels: tuple[NDArray[np.float64], NDArray[np.float64]] | None = None

    def add(self, expected: NDArray[Any], got: NDArray[Any], axis: int | None) -> None:
        if expected.size == 0:
            return
        moved_axis = axis if axis is not None and axis < expected.ndim else None
        a = _rows(expected, moved_axis)
        b = _rows(got, moved_axis)
        gap = b - a
        error = np.einsum("ij,ij->i", gap, gap)
        reference = np.einsum("ij,ij->i", a, a)
        self.dot += float(np.einsum("ij,ij->", a, b))
        self.reference += float(reference.sum())
        self.candidate += float(np.einsum("ij,ij->", b, b))
        self.error_sum += float(error.sum())
        largest = float(np.abs(gap).max())
        self.largest = max(self.largest, largest) if not math.isnan(largest) else math.inf
        if moved_axis is not None:
            if self.channels is None:
                self.channels = (error, reference)
            else:
                self.channels = (self.channels[0] + error, self.channels[1] + reference)

    def error(self, name: str) -> PartError:
        channels: tuple[float | None, ...] = ()
        if self.channels is not None:
            pairs = zip(*(row.tolist() for row in self.channels), strict=True)
            channels = tuple(_relative(error, reference) for error, reference in pairs)
        return PartError(
            part=name,
            cosine=_cosine(self.dot, self.reference, self.candidate),
            relative_l2=_relative(self.error_sum, self.reference),
            sqnr_db=_decibels(self.reference, self.error_sum),
            max_error=self.largest if math.isfinite(self.largest) else None,
            channels=channels,
        )


def _rows(values: NDArray[Any], axis: int | None) -> NDArray[np.float64]:
    """Channels as rows, in float64: sums over a million float32 squares lose digits that small errors live in."""
    if axis is None:
        return values.astype(np.float64).reshape(1, -1)
    return np.moveaxis(values, axis, 0).astype(np.float64).reshape(values.shape[axis], -1)


def _cosine(dot: float, reference: float, candidate: float) -> float:
    if reference == 0.0 and candidate == 0.0:
        return 1.0
    scale = math.sqrt(reference) * math.sqrt(candidate)
    value = dot / scale if scale else 0.0
    return max(-1.0, min(1.0, value)) if math.isfinite(value) else 0.0


def _relative(error: float, reference: float) -> float | None:
    if error == 0.0:
        return 0.0
    value = math.sqrt(error / reference) if reference > 0.0 and error >= 0.0 else math.inf
    return value if math.isfinite(value) else None


def _decibels(reference: float, error: float) -> float | None:
    if not (error > 0.0 and reference > 0.0 and math.isfinite(error) and math.isfinite(reference)):
        return None
    return 10.0 * math.log10(reference / error)
