"""Detections that the graph has chosen by itself: rows of class, score, x1, y1, x2, y2, best first.

Output (rows, 6), often with the number of rows beside it: what PaddleDetection's RT-DETR gives, whose TopK picks the
best of all queries and classes. Corners are in network pixels once the scale of the image is folded to 1. Source:
PaddleDetection, `DETRPostProcess`. A graph with NMS gives such rows too, but not always as many: it is cut before it.
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
from edgewright.tasks.detection.postprocess import Candidates
from edgewright.tasks.detection.rtdetr import NO_SUPPRESSION
from edgewright.tasks.structure import boundaries, has_ancestor, image_contract, image_input, segments, within
from edgewright.tensors import Part

_NEAR = 3  # a TopK, and what gives its scores an axis for the join


class FinishedRows:
    """One row a detection."""

    name = "rtdetr-rows"
    title = "RT-DETR type, the best chosen in the graph"
    task = "detection"
    needs = "an output (rows, 6): class, score, x1, y1, x2, y2"
    evaluation = DecodeSettings(confidence=0.001, iou=NO_SUPPRESSION)
    running = DecodeSettings(confidence=0.5, iou=NO_SUPPRESSION)

    def recognise(self, model: Model) -> Head | None:
        """Columns joined at 1 and 2, the scores from a TopK, and no NMS in the graph."""
        head = self.fit(model)
        if head is None or any(node.op_type == "NonMaxSuppression" for node in model.ir.graph):
            return None
        place = [spec.name for spec in model.outputs].index(head.parts[0].output)
        found = segments(model, place, 1)
        scores = [source for segment in within(found, 1, 2) for source in segment.sources]
        chosen = all(has_ancestor(source, "TopK", _NEAR) for source in scores)
        return head if {1, 2} <= boundaries(found) and chosen else None

    def fit(self, model: Model) -> Head | None:
        """One output (rows, 6); others hold at most one number for the image."""
        rows = [spec for spec in model.outputs if len(spec.shape) == 2 and spec.shape[1] == 6 and spec.shape[0]]
        others = [spec for spec in model.outputs if spec not in rows]
        if image_input(model) is None or len(rows) != 1 or any(spec.shape not in ((), (1,)) for spec in others):
            return None
        name = rows[0].name
        return Head(
            self.name,
            self.task,
            (
                Part("classes", name, 1, 0, 1, "other", None),
                Part("scores", name, 1, 1, 2, "probability", None),
                Part("boxes", name, 1, 2, 6, "boxes", 1),
            ),
            {"rows": rows[0].shape[0]},
            f"{name} has {rows[0].shape[0]} rows of class, score and corners",
        )

    def contract(self, head: Head, model: Model) -> Contract:
        """Plain cubic resize, RGB, 0..1."""
        return image_contract(model, "RGB", 0.0, 255.0, resize="stretch", interpolation="cubic")

    def decode(
        self, outputs: Mapping[str, NDArray[Any]], head: Head, contract: Contract, settings: DecodeSettings
    ) -> Candidates:
        """Rows whose score passes; PaddleDetection fills rows that it does not need with class -1."""
        rows = np.asarray(outputs[head.parts[0].output], np.float32)
        with np.errstate(invalid="ignore"):
            rows = rows[(rows[:, 1] >= settings.confidence) & (rows[:, 0] >= 0) & np.isfinite(rows[:, 0])]
        return Candidates(np.ascontiguousarray(rows[:, 2:]), rows[:, 1].copy(), np.rint(rows[:, 0]).astype(np.int64))


FAMILIES.add(FinishedRows.name, FinishedRows())
