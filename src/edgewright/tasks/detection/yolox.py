"""YOLOX heads: boxes as offsets to grid cells, objectness, and class scores of all anchors in one output.

Output (1, anchors, 5 + classes), or transposed. With offset o of the cell at (column, row) = g and stride s:
centre = (o[0:2] + g) * s, size = exp(o[2:4]) * s, score = objectness * class score. Source: YOLOX, `decode_outputs`.
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
from edgewright.tasks.detection.anchor_rows import anchor_axis, cell_origins
from edgewright.tasks.detection.postprocess import Candidates, corners, select
from edgewright.tasks.numerics import sigmoid
from edgewright.tasks.structure import boundaries, has_ancestor, image_contract, segments, within
from edgewright.tensors import Part

_DECODE_DEPTH = 6  # ops between the exp that decodes a size and the join of the rows


class YoloX:
    """One output with a separate objectness channel."""

    name = "yolox"
    title = "YOLOX type"
    task = "detection"
    needs = (
        "one output (1, anchors, 5 + classes) or (1, 5 + classes, anchors), with an anchor for each cell of the grids"
    )
    evaluation = DecodeSettings(confidence=0.001, iou=0.65, clip=False)
    running = DecodeSettings(confidence=0.25, iou=0.45)

    def recognise(self, model: Model) -> Head | None:
        """Boxes, objectness and classes must be joined at 4 and 5; the last two alike, with or without sigmoid."""
        head = self.fit(model)
        if head is None:
            return None
        found = segments(model, 0, head.params["axis"])
        if not {4, 5} <= boundaries(found) or any(s.is_probability for s in within(found, 0, 4)):
            return None
        return head if len({s.is_probability for s in within(found, 4)}) == 1 else None

    def fit(self, model: Model) -> Head | None:
        """One output with an anchor axis and at least six channels; the graph tells what is decoded already."""
        rows = anchor_axis(model, smallest=6)
        if rows is None:
            return None
        name, axis, classes = model.outputs[0].name, rows.axis, rows.channels - 5
        found = segments(model, 0, axis)
        activated = all(s.is_probability for s in within(found, 4))
        decoded = any(has_ancestor(source, "Exp", _DECODE_DEPTH) for s in within(found, 0, 4) for source in s.sources)
        kind = "probability" if activated else "logits"
        return Head(
            self.name,
            self.task,
            (
                Part("boxes", name, axis, 0, 4, "boxes" if decoded else "other", axis),
                Part("objectness", name, axis, 4, 5, kind, axis),
                Part("scores", name, axis, 5, None, kind, axis),
            ),
            {
                "axis": axis,
                "nc": classes,
                "strides": list(rows.strides),
                "sigmoid": activated,
                "decoded": decoded,
            },
            f"{name} has 4 box, 1 objectness and {classes} score channels for the {rows.anchors} cells "
            f"of strides {', '.join(map(str, rows.strides))}",
        )

    def contract(self, head: Head, model: Model) -> Contract:
        """Letterbox at the top left, padded with 114, BGR, 0..255."""
        return image_contract(model, "BGR", 0.0, 1.0, resize="letterbox-topleft", rounding="down", pad_value=114)

    def decode(
        self, outputs: Mapping[str, NDArray[Any]], head: Head, contract: Contract, settings: DecodeSettings
    ) -> Candidates:
        """Every class of every anchor whose score passes."""
        params = head.params
        values = outputs[head.parts[0].output][0]
        rows = np.asarray(values if params["axis"] == 1 else values.T, np.float32)
        scores = rows[4:] if params["sigmoid"] else sigmoid(rows[4:])
        with np.errstate(invalid="ignore", over="ignore"):
            class_ids, anchors, best = select(scores[1:] * scores[:1], settings)
        return Candidates(box_corners(rows[:4, anchors], anchors, head, contract), best, class_ids)


def box_corners(
    boxes: NDArray[np.float32], anchors: NDArray[np.int64], head: Head, contract: Contract
) -> NDArray[np.float32]:
    """Corners (n, 4), network pixels, from box rows (4, n) of anchors (n,)."""
    with np.errstate(invalid="ignore", over="ignore"):
        if not head.params["decoded"]:
            origins, strides = cell_origins(contract.height, contract.width, tuple(head.params["strides"]))
            centre = (boxes[:2] + origins[:, anchors]) * strides[anchors]
            boxes = np.concatenate([centre, np.exp(boxes[2:]) * strides[anchors]])
        return corners(boxes)


FAMILIES.add(YoloX.name, YoloX())
