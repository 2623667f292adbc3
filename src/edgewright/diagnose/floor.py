"""What is left of the error when every op has 16 bits: what no wider type can mend."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from edgewright.graph.model import Model
from edgewright.graph.reference import Feeds, ReferenceSession
from edgewright.quant.plan import PrecisionPlan
from edgewright.quant.qdq import write_qdq
from edgewright.tensors import Part
from edgewright.verify.part_error import PartErrors


@dataclass(frozen=True)
class Floor:
    """Parts of the float network and of one with 16-bit activations.

    Attributes:
        parts: relative L2 of each part at 16 bits; None: not finite. Empty where there was no plan.
        silent: parts that are zero on all images of the float network, or not finite: no error is relative to them.
    """

    parts: dict[str, float | None]
    silent: tuple[str, ...]


def measure_floor(model: Model, wide: PrecisionPlan | None, parts: Sequence[Part], feeds: Iterable[Feeds]) -> Floor:
    """Run both networks on a few images.

    Args:
        model: the prepared model, in float.
        wide: a plan with every op in 16 bits; None leaves that network out.
        parts: slices of the outputs.
        feeds: inputs by name, one mapping an image.
    """
    plain = ReferenceSession(model.data, name=model.name)
    other = None if wide is None else ReferenceSession(write_qdq(model, wide).data, name=model.name)
    errors, squares = PartErrors(parts), dict.fromkeys((part.name for part in parts), 0.0)
    for image in feeds:
        expected = plain(image)
        for part in parts:
            squares[part.name] += float((part.take(expected).astype(np.float64) ** 2).sum())
        if other is not None:
            errors.update(expected, other(image))
    found = {} if other is None else {error.part: error.relative_l2 for error in errors.result()}
    return Floor(found, tuple(name for name, square in squares.items() if not 0.0 < square < np.inf))
