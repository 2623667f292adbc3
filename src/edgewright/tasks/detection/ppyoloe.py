"""PP-YOLOE heads of PaddleDetection, decoded in the graph: corners and class scores of all cells of strides 8, 16, 32.

Outputs (1, anchors, 4), x1 y1 x2 y2 in network pixels (once the scale of the image is folded to 1), and (1, classes,
anchors), exported without NMS; or one output (1, anchors, 4 + classes), exported without post-processing. Source:
PaddleDetection, `PPYOLOEHead.post_process`. Preset: that of PP-YOLOE; PP-YOLOE+ takes 0..1 without a mean.
"""

# ruff: noqa: ARG002 - the arguments are those of `HeadFamily`

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgewright.data.contract import Contract
from edgewright.graph.model import Model
from edgewright.tasks.base import FAMILIES, DecodeSettings, Head
from edgewright.tasks.detection.anchor_rows import AnchorRows, anchor_axis
from edgewright.tasks.detection.corner_rows import CornerRows, are_corners, are_scores, corner_rows, value_named
from edgewright.tasks.detection.postprocess import Candidates, select
from edgewright.tasks.structure import IMAGENET_MEAN, IMAGENET_STD, image_contract, segments, within
from edgewright.tensors import Part


class PpYoloE:
    """Corners and scores, in two outputs or in one."""

    name = "ppyoloe"
    title = "PP-YOLOE type, decoded in the graph"
    task = "detection"
    needs = (
        "two outputs, boxes (1, anchors, 4) and scores (1, classes, anchors), or one (1, anchors, 4 + classes), with "
        "an anchor for each cell of the grids"
    )
    evaluation = DecodeSettings(confidence=0.01, iou=0.7)
    running = DecodeSettings(confidence=0.5, iou=0.7)

    def recognise(self, model: Model) -> Head | None:
        """Corners of three strides, each half from its own distances, and scores that are probabilities."""
        rows = corner_rows(model)
        if rows is not None:
            return self._head_of_two(rows) if len(rows.strides) == 3 and shows_corners(model, rows) else None
        joined = anchor_axis(model, smallest=5)
        return self._head_of_one(model, joined) if joined is not None and _shows_joined(model, joined) else None

    def fit(self, model: Model) -> Head | None:
        """Two outputs with the same anchors, or one with an anchor axis."""
        rows = corner_rows(model)
        if rows is not None:
            return self._head_of_two(rows)
        joined = anchor_axis(model, smallest=5)
        return None if joined is None else self._head_of_one(model, joined)

    def _head_of_two(self, rows: CornerRows) -> Head:
        return corner_head(self.name, self.task, rows)

    def _head_of_one(self, model: Model, rows: AnchorRows) -> Head:
        name, axis = model.outputs[0].name, rows.axis
        return Head(
            self.name,
            self.task,
            (
                Part("boxes", name, axis, 0, 4, "boxes", axis),
                Part("scores", name, axis, 4, None, "probability", axis),
            ),
            {"nc": rows.channels - 4, "strides": list(rows.strides)},
            f"{name} has 4 corner and {rows.channels - 4} score channels for the {rows.anchors} cells "
            f"of strides {', '.join(map(str, rows.strides))}",
        )

    def contract(self, head: Head, model: Model) -> Contract:
        """Plain cubic resize, RGB, 0..1 less ImageNet's mean by its deviation."""
        return image_contract(model, "RGB", IMAGENET_MEAN, IMAGENET_STD, resize="stretch", interpolation="cubic")

    def decode(
        self, outputs: Mapping[str, NDArray[Any]], head: Head, contract: Contract, settings: DecodeSettings
    ) -> Candidates:
        """Every class of every anchor whose score passes."""
        return corner_candidates(outputs, head, settings)


def corner_head(family: str, task: str, rows: CornerRows) -> Head:
    """The head of boxes and scores in outputs of their own."""
    return Head(
        family,
        task,
        (
            Part("boxes", rows.boxes, 2, 0, None, "boxes", 2),
            Part("scores", rows.scores, 1, 0, None, "probability", 1),
        ),
        {"nc": rows.classes, "strides": list(rows.strides)},
        f"{rows.boxes} has 4 corners and {rows.scores} {rows.classes} scores for the {rows.anchors} cells "
        f"of strides {', '.join(map(str, rows.strides))}",
    )


def shows_corners(model: Model, rows: CornerRows) -> bool:
    """Whether the graph shows corners made from distances, and scores made from probabilities."""
    place = [spec.name for spec in model.outputs].index(rows.scores)
    return are_corners(model, value_named(model, rows.boxes)) and are_scores(segments(model, place, 1))


def corner_candidates(outputs: Mapping[str, NDArray[Any]], head: Head, settings: DecodeSettings) -> Candidates:
    """Candidates of parts "boxes" and "scores", whose boxes are corners in network pixels already."""
    boxes, scores = (_channels_first(part, outputs) for part in head.parts)
    class_ids, anchors, best = select(scores, settings)
    return Candidates(np.ascontiguousarray(boxes[:, anchors].T), best, class_ids)


def _channels_first(part: Part, outputs: Mapping[str, NDArray[Any]]) -> NDArray[np.float32]:
    values = np.asarray(part.take(outputs)[0], np.float32)
    return values if part.axis == 1 else values.T


def _shows_joined(model: Model, rows: AnchorRows) -> bool:
    found = segments(model, 0, rows.axis)
    boxes, scores = within(found, 0, 4), within(found, 4)
    if not boxes or any(segment.start < 4 < segment.stop for segment in found) or not are_scores(scores):
        return False
    return all(are_corners(model, source) for segment in boxes for source in segment.sources)


FAMILIES.add(PpYoloE.name, PpYoloE())
