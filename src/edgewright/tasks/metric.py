"""The value type of task metrics."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Metric:
    """A task metric with what it rests on.

    Attributes:
        name: "AP", "agreement AP", "matching accuracy", "relative L2".
        value: in points 0..100 for AP; relative L2 as it is.
        images: number of images it rests on.
        higher_is_better: direction.
        details: further figures ("AP50": 52.3, "AP by class": {...}), JSON types only.
    """

    name: str
    value: float
    images: int
    higher_is_better: bool = True
    details: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """The metric as JSON data."""
        return {**self.__dict__, "details": dict(self.details)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Metric:
        """Inverse of `to_json`."""
        return cls(**data)
