"""The error of one tensor of a quantised network, told four ways."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class TensorError:
    """Errors of an activation, over all images. All are relative L2: |x - ref| / |ref|, 0 is equal; None: not finite.

    A large isolated error is a culprit, a large accumulated one may be a victim.

    Attributes:
        tensor: name in the prepared graph.
        op: node that makes it; empty for a network input.
        op_type: of that node; "Input" for a network input.
        source_ops: the nodes of the user's file that the op stands for, in order; more than one where preparation
            folded some together.
        region: "stem", "backbone", "neck", "head", "tail".
        depth: place of the node in the order of execution; 0 for a network input.
        bits: width of the tensor's grid.
        elements: values in one image.
        minimum, maximum: of the float network.
        isolated: the op on its grids (inputs, weights, output) from the float network's values.
        grid: only the tensor's own grid, applied to the float network's values.
        weight: only the op's weights on their grid, no activation; None without weights.
        accumulated: in the network that is quantised as planned.
        cosine: of the accumulated tensor with float.
        saturated: share of the float values that lie outside the grid, 0..1.
        effects: relative L2 that the isolated error alone causes in each part, predicted to first order; empty where no
            derivative is known.
        channels: accumulated error by channel; empty unless asked for.
    """

    tensor: str
    op: str
    op_type: str
    source_ops: tuple[str, ...]
    region: str
    depth: int
    bits: int
    elements: int
    minimum: float
    maximum: float
    isolated: float | None
    grid: float | None
    weight: float | None
    accumulated: float | None
    cosine: float
    saturated: float
    effects: Mapping[str, float] = field(default_factory=dict)
    channels: tuple[float | None, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The figures as JSON data."""
        return {
            **self.__dict__,
            "source_ops": list(self.source_ops),
            "effects": dict(self.effects),
            "channels": list(self.channels),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> TensorError:
        """Inverse of `to_json`."""
        lists = {"source_ops": tuple(data["source_ops"]), "channels": tuple(data["channels"])}
        return cls(**{**data, **lists})
