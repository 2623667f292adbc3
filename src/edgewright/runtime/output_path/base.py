"""What a family's fast way is: from outputs at the runtime's boundary to what the family's own `decode` gives."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from edgewright.data.contract import Contract
from edgewright.kernels.scan import reaching
from edgewright.registry import Registry
from edgewright.runtime.output_path.limits import Activation, Limit, limit_of
from edgewright.runtime.output_path.restored import Reader
from edgewright.runtime.output_path.slots import Arrays, Slot
from edgewright.tasks.base import DecodeSettings, Head
from edgewright.tasks.detection.nms import descending

_NONE = np.zeros(0, np.int64)
_KNOWN = 8  # thresholds whose limits are kept


class FastDecode(Protocol):
    """The fast way of one head family for one head.

    Attributes:
        how: what is done, in words, for `inspect`.
    """

    how: str

    def __call__(self, outputs: Arrays, settings: DecodeSettings) -> Any:
        """What the family's `decode` gives for the real values of `outputs`, bit for bit; None where it cannot.

        Candidates may come in another order, as long as those of one score keep theirs.
        """


Make = Callable[[Head, Contract, Reader], "FastDecode | str"]
FAST: Registry[Make] = Registry("fast decoder")
"""By name of the head family: makes the fast way for a head, or says why there is none."""


@dataclass(frozen=True)
class Survivors:
    """Scores that pass.

    Attributes:
        class_ids, places: of each, (n,) int64.
        scores: (n,) float32.
    """

    class_ids: NDArray[np.int64]
    places: NDArray[np.int64]
    scores: NDArray[np.float32]

    def best(self, settings: DecodeSettings) -> Survivors:
        """The best first, as `tasks.detection.postprocess.select` orders and limits them."""
        order = descending(self.scores, settings.max_candidates)
        return Survivors(self.class_ids[order], self.places[order], self.scores[order])


@dataclass(frozen=True)
class Reached:
    """Entries that reach a limit: class ids, places and real values, (n,) each.

    `exact` says that the scores of all of them pass; else they have to be compared.
    """

    class_ids: NDArray[np.int64]
    places: NDArray[np.int64]
    values: NDArray[np.float32]
    exact: bool


class ScorePlane:
    """The class scores of one map, and the limits on their codes for each threshold.

    Args:
        slot: where the scores lie, a channel for each class.
        activation: from real values to scores; elementwise and never falling.
    """

    def __init__(self, slot: Slot, activation: Activation) -> None:
        self.slot, self._activation = slot, activation
        self._limit = functools.lru_cache(_KNOWN)(self._limit_of)

    def _limit_of(self, threshold: float) -> Limit | None:
        return limit_of(self.slot, self._activation, threshold)

    def passing(self, outputs: Arrays, threshold: float) -> Survivors | None:
        """Scores of at least `threshold`, in order of class and place; None without a proven limit."""
        found = self.reaching(outputs, threshold)
        return None if found is None else scored([found], self._activation, threshold)

    def reaching(self, outputs: Arrays, threshold: float) -> Reached | None:
        """As `passing`, before the activation."""
        limit = self._limit(threshold)
        if limit is None:
            return None
        if limit.empty:
            return Reached(_NONE, _NONE, np.zeros(0, np.float32), exact=True)
        class_ids, places = reaching(self.slot.codes(outputs), limit.lows, limit.high, limit.kind)
        return Reached(class_ids, places, self.slot.of(outputs, class_ids, places), limit.exact)


def scored(found: Sequence[Reached], activation: Activation, threshold: float) -> Survivors:
    """The survivors of several maps, one behind the other."""
    one = found[0]
    if len(found) > 1:
        one = Reached(
            np.concatenate([each.class_ids for each in found]),
            np.concatenate([each.places for each in found]),
            np.concatenate([each.values for each in found]),
            all(each.exact for each in found),
        )
    scores = activation(one.values)
    if one.exact:
        return Survivors(one.class_ids, one.places, scores)
    sure = scores >= np.float32(threshold)
    return Survivors(one.class_ids[sure], one.places[sure], scores[sure])
