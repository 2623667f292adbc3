"""PicoDet heads of PaddleDetection: decoded in the graph, or a distribution and a score table at each stride.

Decoded: as PP-YOLOE writes boxes and scores, for the cells of strides 8, 16, 32, 64; the fourth stride tells them
apart. Raw: at each stride (1, cells, classes) of scores and (1, cells, 4 * bins) of distributions over distances in
cells, 8 bins in every release; the centre of a cell is at half a cell, PaddleDetection's `cell_offset`, which a raw
export no longer holds. Source: PaddleDetection, `PicoHeadV2`, exported with `export.nms` or `export.post_process` off.
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
from edgewright.tasks.base import FAMILIES, DecodeSettings, Head
from edgewright.tasks.detection.corner_rows import are_scores, corner_rows
from edgewright.tasks.detection.postprocess import Candidates, select
from edgewright.tasks.detection.ppyoloe import corner_candidates, corner_head, shows_corners
from edgewright.tasks.detection.yolov8_raw import distances
from edgewright.tasks.numerics import sigmoid
from edgewright.tasks.structure import IMAGENET_MEAN, IMAGENET_STD, grids, image_contract, image_input, segments
from edgewright.tensors import Part, TensorSpec

_STRIDES = (8, 16, 32, 64)
_EVALUATION = DecodeSettings(confidence=0.025, iou=0.6)
_RUNNING = DecodeSettings(confidence=0.5, iou=0.5)


class PicoDet:
    """Corners and scores of four strides."""

    name = "picodet"
    title = "PicoDet type, decoded in the graph"
    task = "detection"
    needs = (
        "two outputs, boxes (1, anchors, 4) and scores (1, classes, anchors), with an anchor for each cell of strides "
        "8 to 64"
    )
    evaluation = _EVALUATION
    running = _RUNNING

    def recognise(self, model: Model) -> Head | None:
        """Corners of strides 8 to 64, each half from its own distances, and scores that are probabilities."""
        rows = corner_rows(model)
        if rows is None or rows.strides != _STRIDES or not shows_corners(model, rows):
            return None
        return corner_head(self.name, self.task, rows)

    def fit(self, model: Model) -> Head | None:
        """Two outputs with the same anchors."""
        rows = corner_rows(model)
        return None if rows is None else corner_head(self.name, self.task, rows)

    def contract(self, head: Head, model: Model) -> Contract:
        """Plain cubic resize, RGB, 0..1 less ImageNet's mean by its deviation."""
        return _contract(model)

    def decode(
        self, outputs: Mapping[str, NDArray[Any]], head: Head, contract: Contract, settings: DecodeSettings
    ) -> Candidates:
        """Every class of every anchor whose score passes."""
        return corner_candidates(outputs, head, settings)


class PicoDetRaw:
    """Tables of distributions and scores, decoded on the host."""

    name = "picodet-raw"
    title = "PicoDet type, cut before decoding"
    task = "detection"
    needs = "at two strides or more, boxes (1, cells, 4 * bins) and scores (1, cells, classes)"
    evaluation = _EVALUATION
    running = _RUNNING

    def recognise(self, model: Model) -> Head | None:
        """Every score table must be probabilities, no table of distributions."""
        pairs = _pairs(model)
        place = {spec.name: index for index, spec in enumerate(model.outputs)}
        for _, scores, boxes in pairs:
            tables = [segments(model, place[spec.name], 2) for spec in (scores, boxes)]
            if not are_scores(tables[0]) or are_scores(tables[1]):
                return None
        return self._head(model, pairs) if pairs else None

    def fit(self, model: Model) -> Head | None:
        """Two tables at each of two strides or more."""
        pairs = _pairs(model)
        return self._head(model, pairs) if pairs else None

    def _head(self, model: Model, pairs: list[tuple[int, TensorSpec, TensorSpec]]) -> Head:
        activated = are_scores(segments(model, [spec.name for spec in model.outputs].index(pairs[0][1].name), 2))
        kind, parts = "probability" if activated else "logits", []
        for stride, scores, boxes in pairs:
            parts.append(Part(f"boxes_{stride}", boxes.name, 2, 0, None, "logits", 2))
            parts.append(Part(f"scores_{stride}", scores.name, 2, 0, None, kind, 2))
        classes, bins = pairs[0][1].shape[2] or 0, (pairs[0][2].shape[2] or 0) // 4
        strides = [stride for stride, _, _ in pairs]
        return Head(
            self.name,
            self.task,
            tuple(parts),
            {"nc": classes, "bins": bins, "strides": strides, "sigmoid": activated},
            f"tables at strides {', '.join(map(str, strides))} with 4 x {bins} box and {classes} class columns",
        )

    def contract(self, head: Head, model: Model) -> Contract:
        """Plain cubic resize, RGB, 0..1 less ImageNet's mean by its deviation."""
        return _contract(model)

    def decode(
        self, outputs: Mapping[str, NDArray[Any]], head: Head, contract: Contract, settings: DecodeSettings
    ) -> Candidates:
        """Every class of every cell whose score passes; distances are computed for those cells only."""
        found = []
        for boxes, scores, stride in zip(head.parts[::2], head.parts[1::2], head.params["strides"], strict=True):
            table = np.asarray(scores.take(outputs)[0], np.float32).T
            class_ids, cells, best = select(table if head.params["sigmoid"] else sigmoid(table), settings)
            sides = np.ascontiguousarray(boxes.take(outputs)[0][cells].T)
            found.append((cell_corners(distances(sides), cells, -(-contract.width // stride), stride), best, class_ids))
        xyxy, best, class_ids = (np.concatenate(columns) for columns in zip(*found, strict=True))
        return Candidates(xyxy, best, class_ids)


def _contract(model: Model) -> Contract:
    return image_contract(model, "RGB", IMAGENET_MEAN, IMAGENET_STD, resize="stretch", interpolation="cubic")


def _pairs(model: Model) -> list[tuple[int, TensorSpec, TensorSpec]]:
    """Stride, scores and distributions of each level, finest first; empty where the outputs are not those of PicoDet.

    Of two tables the distributions are the one whose columns divide by four; where both do, the one that is no
    probability, then the second, as PaddleDetection writes them.
    """
    image = image_input(model)
    if image is None or len(model.outputs) < 4 or len(model.outputs) % 2:
        return []
    cells = {rows * columns: stride for stride, (rows, columns) in zip(_STRIDES, grids(image, _STRIDES), strict=True)}
    levels: dict[int, list[int]] = {}
    for place, spec in enumerate(model.outputs):
        if len(spec.shape) != 3 or spec.shape[0] != 1 or spec.shape[1] not in cells or not spec.shape[2]:
            return []
        levels.setdefault(cells[spec.shape[1]], []).append(place)
    found = []
    for stride in sorted(levels):
        chosen = _boxes_of(model, levels[stride])
        if chosen is None:
            return []
        scores = next(place for place in levels[stride] if place != chosen)
        found.append((stride, model.outputs[scores], model.outputs[chosen]))
    alike = {(scores.shape[2], boxes.shape[2]) for _, scores, boxes in found}
    return found if len(alike) == 1 and len(found) > 1 else []


def _boxes_of(model: Model, places: list[int]) -> int | None:
    fit = [place for place in places if (model.outputs[place].shape[2] or 0) % 4 == 0]
    if len(places) != 2 or not fit:
        return None
    plain = [place for place in fit if not are_scores(segments(model, place, 2))]
    return (plain or fit)[-1]


FAMILIES.add(PicoDet.name, PicoDet())
FAMILIES.add(PicoDetRaw.name, PicoDetRaw())
