"""YOLOv8-type heads decoded in the graph: boxes and class scores of all anchors in one output.

Output (1, 4 + classes, anchors), or transposed: rows cx, cy, w, h in network pixels, then one score a class. Anchors
are the cells of the grids at strides 8, 16, 32 together. Source: the Detect module of Ultralytics YOLOv8, export form.
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
from edgewright.tasks.detection.anchor_rows import anchor_axis
from edgewright.tasks.detection.corner_rows import are_corners
from edgewright.tasks.detection.postprocess import Candidates, corners, select
from edgewright.tasks.structure import boundaries, image_contract, segments, within
from edgewright.tensors import Part


class YoloV8:
    """One output, boxes decoded, scores after a sigmoid."""

    name = "yolov8"
    title = "YOLOv8 type, decoded in the graph"
    task = "detection"
    needs = (
        "one output (1, 4 + classes, anchors) or (1, anchors, 4 + classes), with an anchor for each cell of the grids"
    )
    evaluation = DecodeSettings(confidence=0.001, iou=0.7)
    running = DecodeSettings(confidence=0.25, iou=0.7)

    def recognise(self, model: Model) -> Head | None:
        """Boxes and scores must be joined at channel 4, and every score must come from a sigmoid."""
        head = self.fit(model)
        if head is None:
            return None
        found = segments(model, 0, head.params["axis"])
        # a cut at 5 is YOLOX, which tells objectness apart
        objectness = 5 in boundaries(found) and head.params["nc"] > 1
        boxes, scores = within(found, 0, 4), within(found, 4)
        if any(are_corners(model, source) for segment in boxes for source in segment.sources):
            return None  # PP-YOLOE joins corners with scores in the same shape
        is_ours = all(s.is_probability for s in scores) and not any(s.is_probability for s in boxes)
        return head if is_ours and not objectness else None

    def fit(self, model: Model) -> Head | None:
        """One output with an anchor axis and at least five channels."""
        rows = anchor_axis(model, smallest=5)
        if rows is None:
            return None
        name, axis, channels, strides = model.outputs[0].name, rows.axis, rows.channels, rows.strides
        return Head(
            self.name,
            self.task,
            (
                Part("boxes", name, axis, 0, 4, "boxes", axis),
                Part("scores", name, axis, 4, None, "probability", axis),
            ),
            {"axis": axis, "nc": channels - 4, "strides": list(strides)},
            f"{name} has 4 box and {channels - 4} score channels for the {rows.anchors} cells "
            f"of strides {', '.join(map(str, strides))}",
        )

    def contract(self, head: Head, model: Model) -> Contract:
        """Letterbox centred, padded with 114, RGB, 0..1."""
        return image_contract(model, "RGB", 0.0, 255.0, resize="letterbox", pad_value=114)

    def decode(
        self, outputs: Mapping[str, NDArray[Any]], head: Head, contract: Contract, settings: DecodeSettings
    ) -> Candidates:
        """Every class of every anchor whose score passes: an anchor may give several candidates."""
        values = outputs[head.parts[0].output][0]
        rows = np.asarray(values if head.params["axis"] == 1 else values.T, np.float32)
        class_ids, anchors, scores = select(rows[4:], settings)
        return Candidates(corners(rows[:4, anchors]), scores, class_ids)


FAMILIES.add(YoloV8.name, YoloV8())
