"""Outputs that hold one row of numbers for each anchor: which axis is which, told by the number of grid cells."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgewright.graph.model import Model
from edgewright.tasks.structure import anchors, image_input

STRIDE_SETS = ((8, 16, 32), (8, 16, 32, 64), (4, 8, 16, 32))


@dataclass(frozen=True)
class AnchorRows:
    """Layout of an output (1, a, b): `axis` holds the channels, the other axis the anchors of `strides`."""

    axis: int
    channels: int
    anchors: int
    strides: tuple[int, ...]


def anchor_axis(model: Model, smallest: int) -> AnchorRows | None:
    """The layout of the model's only output, if it has one entry for each grid cell along one axis.

    When both axes have that size the first is taken for the channels, as YOLOv8 writes them.

    Args:
        model: any model.
        smallest: smallest number of channels.
    """
    image = image_input(model)
    if image is None or len(model.outputs) != 1 or len(model.outputs[0].shape) != 3:
        return None
    shape = model.outputs[0].shape
    for axis in (1, 2):
        channels, cells = shape[axis], shape[3 - axis]
        for strides in STRIDE_SETS:
            if shape[0] == 1 and channels is not None and channels >= smallest and cells == anchors(image, strides):
                return AnchorRows(axis, channels, cells, strides)
    return None


@functools.lru_cache(maxsize=8)
def cell_origins(height: int, width: int, strides: tuple[int, ...]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Column and row of each cell, (2, anchors), in cells, and the stride of each, (anchors,), in pixels.

    Order: strides as given, then rows, then columns.
    """
    origins, steps = [], []
    for stride in strides:
        rows, columns = -(-height // stride), -(-width // stride)
        y, x = np.mgrid[:rows, :columns]
        origins.append(np.stack([x.reshape(-1), y.reshape(-1)]))
        steps.append(np.full(rows * columns, stride))
    cells, pixels = np.concatenate(origins, axis=1).astype(np.float32), np.concatenate(steps).astype(np.float32)
    cells.setflags(write=False)  # the cache hands the same arrays to every caller
    pixels.setflags(write=False)
    return cells, pixels
