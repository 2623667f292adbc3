"""SuperPoint heads: a cell's softmax only where one of its pixels can pass; descriptors at points, when asked for."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgewright.data.contract import Contract
from edgewright.kernels.distribution import power_table
from edgewright.kernels.points import (
    byte_order,
    largest_score,
    pixels_of_codes,
    sample_codes,
    softmax_rows,
    spread_points,
)
from edgewright.kernels.scan import half_order
from edgewright.runtime.output_path.base import FAST, FastDecode, ScorePlane
from edgewright.runtime.output_path.limits import all_codes, unchanged
from edgewright.runtime.output_path.restored import Reader
from edgewright.runtime.output_path.slots import Arrays, Slot
from edgewright.tasks.base import DecodeSettings, Head
from edgewright.tasks.keypoints.keypoints import Keypoints
from edgewright.tasks.keypoints.superpoint import BORDER, CELL, best_points, mixed, neighbours, smallest_score
from edgewright.tensors import Float

_KNOWN = 8
Pixels = tuple[NDArray[np.int64], Float]


@dataclass(frozen=True)
class Descriptors:
    """See `Later`: the descriptors at some points, from the descriptor map as the runtime gave it.

    Attributes:
        slot, outputs: where the map is.
        grid: its rows and columns.
        xy: points, (n, 2), network pixels.
    """

    slot: Slot
    outputs: Arrays
    grid: tuple[int, int]
    xy: Float

    @property
    def shape(self) -> tuple[int, int]:
        """(n, d)."""
        return len(self.xy), self.slot.channels

    def __getitem__(self, index: Any) -> Descriptors:
        """Some of the points."""
        return Descriptors(self.slot, self.outputs, self.grid, self.xy[index])

    def kept(self) -> Descriptors:
        """The same, with a copy of the map."""
        outputs = {self.slot.output: np.array(self.outputs[self.slot.output])}
        return Descriptors(self.slot, outputs, self.grid, self.xy)

    def compute(self) -> Float:
        """(n, d) float32; only the cells around the points are read."""
        slot = self.slot
        if slot.kind == "integer" and slot.dtype.itemsize == 1 and slot.factor is None:
            zero, scale, _ = slot.numbers
            found = sample_codes(slot.codes(self.outputs), zero, scale, self.xy, self.grid, CELL)
            if found is not None:
                return found
        corners, parts = neighbours(self.xy, *self.grid)
        return mixed([slot.at(self.outputs, cells) for cells in corners], parts)


class CellScores:
    """Scores of the pixels of cells, from logits.

    Args:
        slot: 64 pixels and the dustbin of each cell; one grid for all.
        columns: of cells.
    """

    def __init__(self, slot: Slot, columns: int) -> None:
        self._slot, self._columns = slot, columns
        self._pixels, self._dustbin = slot.part(0, CELL * CELL), slot.part(CELL * CELL, None)
        self._powers: Float | None = None
        if slot.kind == "integer" and slot.dtype.itemsize == 1:
            entries, _ = all_codes(slot)
            self._values = slot.real(entries[None])[0]
            self._powers = byte_order(power_table(self._values), slot.dtype)
        self._tops = functools.lru_cache(_KNOWN)(self._tops_of)

    def __call__(self, outputs: Arrays, least: np.float32) -> Pixels:
        """Places and scores of the pixels that pass."""
        if self._powers is not None:
            codes = self._slot.codes(outputs)
            tops = self._tops(float(least))
            found = pixels_of_codes(codes, self._powers, tops, float(least), self._columns, CELL)
            if found is not None:
                return found
        dustbin = self._dustbin.real(self._dustbin.table(outputs))[0]
        cells = np.flatnonzero(largest_score(self._top(outputs), dustbin) >= least)
        scores = softmax_rows(self._slot.at(outputs, cells))[:-1]
        pixels, places = np.nonzero(scores >= least)
        return _pixel(pixels, cells[places], self._columns), scores[pixels, places]

    def _top(self, outputs: Arrays) -> Float:
        """The largest logit of each cell's pixels."""
        table = self._pixels.codes(outputs)
        if self._slot.kind == "half":
            return np.asarray(self._pixels.real(half_order(half_order(table).max(axis=0)).view(np.float16)[None])[0])
        return np.asarray(self._pixels.real(table.max(axis=0)[None])[0])

    def _tops_of(self, least: float) -> NDArray[np.int64]:
        """For each dustbin code, from 0, the smallest largest pixel code with which a pixel can pass."""
        size = len(self._values)
        passes = largest_score(self._values[None, :], self._values[:, None]) >= np.float32(least)
        return np.where(passes.any(axis=1), passes.argmax(axis=1), size)


class FastSuperPoint:
    """See `FastDecode`."""

    how = "softmax for the cells that can pass; descriptors at points only, when they are asked for"

    def __init__(
        self, pixels: Callable[[Arrays, np.float32], Pixels | None], descriptors: Slot, grid: tuple[int, int]
    ) -> None:
        self._pixels, self._descriptors, self._grid = pixels, descriptors, grid

    def __call__(self, outputs: Arrays, settings: DecodeSettings) -> Keypoints | None:
        """Keypoints, best first."""
        found = self._pixels(outputs, smallest_score(settings))
        if found is None:
            return None
        xy, scores = self._best(found, settings)
        name = self._descriptors.output
        return Keypoints(xy, scores, Descriptors(self._descriptors, {name: outputs[name]}, self._grid, xy))

    def _best(self, found: Pixels, settings: DecodeSettings) -> tuple[Float, Float]:
        places, scores = found
        size = self._grid[0] * CELL, self._grid[1] * CELL
        spread = spread_points(scores, places, size, round(settings.iou), BORDER, settings.max_results)
        if spread is None:
            heat = np.zeros(size, np.float32)
            heat[places >> 16, places & 0xFFFF] = scores
            return best_points(heat, settings)
        return spread


def _pixel(pixels: NDArray[np.int64], cells: NDArray[np.int64], columns: int) -> NDArray[np.int64]:
    """Places, row << 16 | column, in the map of pixels of pixels (n,) of cells (n,)."""
    row, column = cells // columns * CELL + pixels // CELL, cells % columns * CELL + pixels % CELL
    return np.asarray(row << 16 | column, np.int64)


def _activated(slot: Slot, columns: int) -> Callable[[Arrays, np.float32], Pixels | None]:
    """Scores of pixels that are probabilities already."""
    plane = ScorePlane(slot.part(0, CELL * CELL), unchanged)

    def pixels(outputs: Arrays, least: np.float32) -> Pixels | None:
        found = plane.passing(outputs, float(least))
        return None if found is None else (_pixel(found.class_ids, found.places, columns), found.scores)

    return pixels


@FAST.register("superpoint")
def make(head: Head, contract: Contract, read: Reader) -> FastDecode | str:
    """Points and descriptors in outputs of their own."""
    semi, descriptors = (read.slot(part) for part in head.parts)
    if semi is None or descriptors is None or semi.axis != 1 or descriptors.axis != 1:
        return "points or descriptors are computed by the restoration"
    grid = contract.height // CELL, contract.width // CELL
    if head.params["softmax"]:
        return FastSuperPoint(_activated(semi, grid[1]), descriptors, grid)
    if any(numbers is not None and len(numbers) > 1 for numbers in (semi.scale, semi.factor)):
        return "the largest code of a cell is not its largest value, with a grid for each channel"
    return FastSuperPoint(CellScores(semi, grid[1]), descriptors, grid)
