"""How much a candidate damages the outputs, image by image: a smoother measure than a task metric on few images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgewright.tasks.importance import part_weights, position_weights
from edgewright.tensors import Part

_NORMAL = 1.645
"""95 % of a normal distribution, one-sided."""


@dataclass(frozen=True)
class Damage:
    """Squared error of each part of each image, relative to the part's mean square.

    Attributes:
        parts: names.
        images: (images, parts), float64; NaN where an output is not finite. The error itself for a part that is 0 on
            every image.
        weights: of the parts when they are added up, 1 each when left out; see `tasks.importance.part_weights`.
    """

    parts: tuple[str, ...]
    images: NDArray[np.float64]
    weights: tuple[float, ...] = ()

    @property
    def by_image(self) -> NDArray[np.float64]:
        """Weighted sum over the parts of each image, shape (images,)."""
        return np.asarray(self.images @ np.asarray(self.weights or np.ones(len(self.parts)), np.float64))

    def same_as(self, other: Damage) -> bool:
        """Whether every figure is the same: the same network in another form."""
        return np.array_equal(self.images, other.images, equal_nan=True)

    @property
    def total(self) -> float:
        """Mean over images of the weighted sum over parts; infinite when any output is not finite."""
        value = float(self.by_image.mean()) if self.images.size else 0.0
        return value if np.isfinite(value) else float("inf")

    @property
    def by_part(self) -> dict[str, float | None]:
        """Relative L2 of each part; None where it is not finite."""
        means = self.images.mean(axis=0) if self.images.size else np.zeros(len(self.parts))
        return {
            name: float(np.sqrt(mean)) if np.isfinite(mean) else None
            for name, mean in zip(self.parts, means, strict=True)
        }

    def to_json(self) -> dict[str, Any]:
        """The figures as JSON data; what is not finite as None."""
        rows = [[value if np.isfinite(value) else None for value in row] for row in self.images.tolist()]
        return {"parts": list(self.parts), "images": rows, "weights": list(self.weights)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Damage:
        """Inverse of `to_json`."""
        rows = [[np.nan if value is None else value for value in row] for row in data["images"]]
        images = np.asarray(rows, np.float64).reshape(-1, len(data["parts"]))
        return cls(tuple(data["parts"]), images, tuple(data["weights"]))


class DamageMeter:
    """Adds up the outputs of images.

    Args:
        parts: parts of the source model's outputs.
    """

    def __init__(self, parts: Sequence[Part]) -> None:
        self._parts = tuple(parts)
        self._errors: list[list[float]] = []
        self._squares: list[list[float]] = []

    def add(self, reference: Mapping[str, NDArray[Any]], candidate: Mapping[str, NDArray[Any]]) -> None:
        """Add one image."""
        weights = position_weights(self._parts, reference)
        errors, squares = [], []
        for part in self._parts:
            expected, got = part.take(reference), part.take(candidate)
            weight = weights.get(part.name, np.float32(1.0))
            with np.errstate(over="ignore", invalid="ignore"):  # what is not finite is told by the result
                errors.append(_sum_of_squares((got - expected) * weight))
                squares.append(_sum_of_squares(expected * weight))
        self._errors.append(errors)
        self._squares.append(squares)

    def result(self) -> Damage:
        """The damage over the images so far."""
        names = tuple(part.name for part in self._parts)
        errors = np.asarray(self._errors, np.float64).reshape(-1, len(names))
        scale = np.asarray(self._squares, np.float64).reshape(-1, len(names)).mean(axis=0) if len(errors) else 1.0
        # a part that is 0 on every image leaves nothing to be relative to: its error counts as it is
        with np.errstate(invalid="ignore"):
            relative = errors / np.where(scale == 0, 1.0, scale)
        weights = tuple(part_weights(self._parts).values())
        return Damage(names, np.where(np.isfinite(relative), relative, np.nan), weights)


def _sum_of_squares(values: NDArray[Any]) -> float:
    flat = np.asarray(values, np.float32).reshape(-1)
    return float(np.dot(flat, flat))


def is_less(candidate: Damage, than: Damage) -> bool:
    """Whether the damage is smaller by more than the images can resolve.

    The same images are compared in pairs, by the logarithm of their damage, so that one bad image does not decide.
    """
    if not np.isfinite(candidate.total):
        return False
    if not np.isfinite(than.total):
        return True
    if len(candidate.images) != len(than.images):
        raise ValueError(f"damage on {len(candidate.images)} images cannot be compared with {len(than.images)}")
    if len(candidate.images) < 2:
        return candidate.total < than.total
    tiny = 1e-12
    change = np.log(candidate.by_image + tiny) - np.log(than.by_image + tiny)
    error = float(change.std(ddof=1) / np.sqrt(len(change)))
    return candidate.total < than.total and float(change.mean()) < -_quantile(len(change) - 1) * error


def _quantile(freedom: int) -> float:
    """95 % of Student's t distribution, one-sided: few images must tell more clearly.

    Source: Abramowitz and Stegun, Handbook of Mathematical Functions, 26.7.5, to its second term.
    """
    first = (_NORMAL**3 + _NORMAL) / 4
    second = (5 * _NORMAL**5 + 16 * _NORMAL**3 + 3 * _NORMAL) / 96
    return _NORMAL + first / freedom + second / freedom**2
