"""The precision plan: the grid of each tensor and the precision of each op, in no vendor's words.

A plan is made by calibration, changed by remedies, and written by each target in its own format.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from edgewright.files import digest_of
from edgewright.tensors import Grid

Precision = Literal["int8", "int16", "float"]


@dataclass(frozen=True)
class PrecisionPlan:
    """Grids and precisions for one prepared model.

    Attributes:
        model_digest: SHA-256 of the prepared model that the names below belong to.
        activations: grid of each quantised activation, by tensor name.
        weights: grid of each quantised initialiser, by tensor name.
        narrowed: second grid, of 8 bits, through which 8-bit ops read a 16-bit activation, by tensor name.
        ops: precision of each op, by node name. An op that is missing here runs in float.
        reasons: why an op is not in the default precision, by node name.
        origin: how the plan came about (observer, images, remedies), for people and provenance.
    """

    model_digest: str
    activations: Mapping[str, Grid]
    weights: Mapping[str, Grid]
    ops: Mapping[str, Precision]
    reasons: Mapping[str, str] = field(default_factory=dict)
    origin: Mapping[str, Any] = field(default_factory=dict)
    narrowed: Mapping[str, Grid] = field(default_factory=dict)

    def grid_seen(self, tensor: str, reader: str) -> Grid | None:
        """The grid through which an op (by name) reads an activation; None where it reads real values."""
        own = self.activations.get(tensor)
        reads_narrow = own is not None and own.bits == 16 and self.ops.get(reader) == "int8"
        return self.narrowed.get(tensor, own) if reads_narrow else own

    @property
    def digest(self) -> str:
        """SHA-256 over everything but `origin`."""
        data = self.to_json()
        del data["origin"]
        return digest_of(data)

    def to_json(self) -> dict[str, Any]:
        """The plan as JSON data."""
        return {
            "schema": 1,
            "model_digest": self.model_digest,
            "activations": {name: grid.to_json() for name, grid in self.activations.items()},
            "weights": {name: grid.to_json() for name, grid in self.weights.items()},
            "narrowed": {name: grid.to_json() for name, grid in self.narrowed.items()},
            "ops": dict(self.ops),
            "reasons": dict(self.reasons),
            "origin": dict(self.origin),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> PrecisionPlan:
        """Inverse of `to_json`."""
        return cls(
            model_digest=data["model_digest"],
            activations={name: Grid.from_json(grid) for name, grid in data["activations"].items()},
            weights={name: Grid.from_json(grid) for name, grid in data["weights"].items()},
            ops=data["ops"],
            reasons=data["reasons"],
            origin=data["origin"],
            narrowed={name: Grid.from_json(grid) for name, grid in data.get("narrowed", {}).items()},
        )
