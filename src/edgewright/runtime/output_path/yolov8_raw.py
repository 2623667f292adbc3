"""YOLOv8-type heads cut before decoding: scores compared as codes; distributions read and decoded for survivors only.

For codes of 8 bits the softmax of a distribution takes its exponentials from a table of all pairs of a code and a
largest code, computed by the arithmetic of the plain decode: the same bits without a single exponential.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgewright.data.contract import Contract
from edgewright.kernels.boxes import cell_corners
from edgewright.kernels.distribution import mean_bins_of_codes, power_table
from edgewright.runtime.output_path.base import FAST, FastDecode, ScorePlane, scored
from edgewright.runtime.output_path.limits import Activation, all_codes, unchanged
from edgewright.runtime.output_path.restored import Reader
from edgewright.runtime.output_path.slots import Arrays, Slot
from edgewright.tasks.base import DecodeSettings, Head
from edgewright.tasks.detection.postprocess import Candidates
from edgewright.tasks.detection.yolov8_raw import distances
from edgewright.tasks.numerics import sigmoid
from edgewright.tensors import Float


class Distances:
    """Distances of cells to their box's sides, read from codes.

    Args:
        slot: the box channels of a map, 4 * bins.
    """

    def __init__(self, slot: Slot) -> None:
        self.slot = slot
        self._bins = slot.channels // 4
        self._powers: Float | None = None
        self._lowest = 0
        single = slot.scale is not None and len(slot.scale) == 1 and slot.factor is None
        if single and slot.dtype.itemsize == 1 and self._bins > 1:
            entries, codes = all_codes(slot)
            self._powers, self._lowest = power_table(slot.real(entries[None])[0]), int(codes[0])

    def __call__(self, outputs: Arrays, cells: NDArray[np.int64]) -> Float:
        """Distances (4, n), in cells, of cells (n,)."""
        if self._powers is not None:
            found = mean_bins_of_codes(self.slot.codes(outputs), self._lowest, self._powers, cells, self._bins)
            if found is not None:
                return found
        return distances(self.slot.at(outputs, cells))


@dataclass(frozen=True)
class Level:
    """One map: its scores, its distances and its stride."""

    scores: ScorePlane
    distances: Distances
    columns: int
    stride: int


class FastYoloV8Raw:
    """See `FastDecode`."""

    how = "class scores compared as they lie, before their sigmoid; distributions decoded for the cells that pass"

    def __init__(self, levels: tuple[Level, ...], activation: Activation) -> None:
        self._levels, self._activation = levels, activation

    def __call__(self, outputs: Arrays, settings: DecodeSettings) -> Candidates | None:
        """Candidates, by level."""
        found = [level.scores.reaching(outputs, settings.confidence) for level in self._levels]
        reached = [one for one in found if one is not None]
        if len(reached) < len(found):
            return None
        if any(not one.exact or len(one.places) > settings.max_candidates for one in reached):
            # a level's best are enough: the best of all are among them, in the same order
            best = [scored([one], self._activation, settings.confidence).best(settings) for one in reached]
            scores, class_ids = np.concatenate([b.scores for b in best]), np.concatenate([b.class_ids for b in best])
            places = [one.places for one in best]
        else:
            all_of_them = scored(reached, self._activation, settings.confidence)
            scores, class_ids, places = all_of_them.scores, all_of_them.class_ids, [one.places for one in reached]
        boxes = [
            cell_corners(level.distances(outputs, cells), cells, level.columns, level.stride)
            for level, cells in zip(self._levels, places, strict=True)
        ]
        return Candidates(np.concatenate(boxes), scores, class_ids)


@FAST.register("yolov8-raw")
def make(head: Head, contract: Contract, read: Reader) -> FastDecode | str:
    """Boxes and scores of each level in one output or apart."""
    activation: Activation = unchanged if head.params["sigmoid"] else sigmoid
    levels = []
    for boxes, scores, stride in zip(head.parts[::2], head.parts[1::2], head.params["strides"], strict=True):
        slots = read.slot(boxes), read.slot(scores)
        if slots[0] is None or slots[1] is None or slots[0].axis != 1 or slots[1].axis != 1:
            return "boxes or scores are computed by the restoration"
        columns = -(-contract.width // stride)
        levels.append(Level(ScorePlane(slots[1], activation), Distances(slots[0]), columns, stride))
    return FastYoloV8Raw(tuple(levels), activation)
