"""YOLOv8-type heads cut before decoding: a map of box distributions and a map of class scores at each stride.

Outputs, in any order: at each stride (1, 4 * bins, h, w) and (1, classes, h, w), or both joined in one map. A side's
distance is the mean of its distribution over the bins 0, 1, ... (Distribution Focal Loss, arXiv:2006.04388), in cells;
with one bin the map holds the distance itself. With cell centre c = (column + 0.5, row + 0.5) and stride s the corners
are (c - (left, top)) * s and (c + (right, bottom)) * s. Source: Ultralytics YOLOv8, `DFL` and `dist2bbox`.
"""

# ruff: noqa: ARG002 - the arguments are those of `HeadFamily`

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgewright.data.contract import Contract
from edgewright.graph.model import Model
from edgewright.kernels.boxes import cell_corners
from edgewright.kernels.distribution import mean_bins
from edgewright.tasks.base import FAMILIES, DecodeSettings, Head
from edgewright.tasks.detection.postprocess import Candidates, select
from edgewright.tasks.detection.raw_levels import Level, find_levels
from edgewright.tasks.numerics import sigmoid
from edgewright.tasks.structure import image_contract
from edgewright.tensors import Part


class YoloV8Raw:
    """Maps of box distributions and class scores, decoded on the host."""

    name = "yolov8-raw"
    title = "YOLOv8 type, cut before decoding"
    task = "detection"
    needs = "at two strides or more, (1, 4 * bins, h, w) and (1, classes, h, w), or (1, 4 * bins + classes, h, w)"
    evaluation = DecodeSettings(confidence=0.001, iou=0.7)
    running = DecodeSettings(confidence=0.25, iou=0.7)

    def recognise(self, model: Model) -> Head | None:
        """As `fit`, but boxes and classes of one map must be joined by the graph: anchor-based heads are not."""
        levels = find_levels(model)
        return None if not levels or not all(level.told_by_graph for level in levels) else self._head(levels)

    def fit(self, model: Model) -> Head | None:
        """Maps whose sizes are those of two strides or more."""
        levels = find_levels(model)
        return self._head(levels) if levels else None

    def _head(self, levels: tuple[Level, ...]) -> Head:
        kind = "probability" if levels[0].sigmoid else "logits"
        parts = []
        for level in levels:
            boxes, start = level.boxes, (4 * level.bins if level.joined else 0)
            parts.append(Part(f"boxes_{level.stride}", boxes, 1, 0, 4 * level.bins if level.joined else None, "logits"))
            parts.append(Part(f"scores_{level.stride}", level.scores, 1, start, None, kind))
        first = levels[0]
        return Head(
            self.name,
            self.task,
            tuple(parts),
            {
                "nc": first.classes,
                "bins": first.bins,
                "strides": [level.stride for level in levels],
                "sigmoid": first.sigmoid,
            },
            f"maps at strides {', '.join(str(level.stride) for level in levels)} with 4 x {first.bins} box "
            f"and {first.classes} class channels",
        )

    def contract(self, head: Head, model: Model) -> Contract:
        """Letterbox centred, padded with 114, RGB, 0..1."""
        return image_contract(model, "RGB", 0.0, 255.0, resize="letterbox", pad_value=114)

    def decode(
        self, outputs: Mapping[str, NDArray[Any]], head: Head, contract: Contract, settings: DecodeSettings
    ) -> Candidates:
        """Every class of every cell whose score passes; distances are computed for those cells only."""
        found = []
        for boxes, scores, stride in zip(head.parts[::2], head.parts[1::2], head.params["strides"], strict=True):
            values = scores.take(outputs)[0].astype(np.float32)
            flat = values.reshape(len(values), -1)
            class_ids, cells, best = select(flat if head.params["sigmoid"] else sigmoid(flat), settings)
            sides = boxes.take(outputs)[0].reshape(4 * head.params["bins"], -1)[:, cells]
            found.append((cell_corners(distances(sides), cells, values.shape[2], stride), best, class_ids))
        xyxy, best, class_ids = (np.concatenate(columns) for columns in zip(*found, strict=True))
        return Candidates(xyxy, best, class_ids)


def distances(sides: NDArray[Any]) -> NDArray[np.float32]:
    """Distances (4, n) to left, top, right and bottom, in cells, from box channels (4 * bins, n)."""
    bins = len(sides) // 4
    return np.asarray(sides, np.float32) if bins == 1 else mean_bins(np.asarray(sides).reshape(4, bins, -1))


FAMILIES.add(YoloV8Raw.name, YoloV8Raw())
