"""SSD-type heads decoded in the graph: class probabilities with a background, and relative corners.

Outputs (1, anchors, 1 + classes), a softmax whose entry 0 is the background, and (1, anchors, 4), x1 y1 x2 y2 relative
to the input. Preprocessing preset: that of Ultra-Light-Fast-Generic-Face-Detector-1MB (UltraFace).
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
from edgewright.tasks.detection.postprocess import Candidates, select
from edgewright.tasks.structure import image_contract, image_input, segments
from edgewright.tensors import Part


class Ssd:
    """Two outputs, both decoded."""

    name = "ssd"
    title = "SSD type, decoded in the graph"
    task = "detection"
    needs = "two outputs, scores (1, anchors, 1 + classes) with background first and boxes (1, anchors, 4)"
    evaluation = DecodeSettings(confidence=0.01, iou=0.3)
    running = DecodeSettings(confidence=0.7, iou=0.3)

    def recognise(self, model: Model) -> Head | None:
        """The scores must come from a softmax, the boxes from none."""
        head = self.fit(model)
        if head is None:
            return None
        index = {spec.name: place for place, spec in enumerate(model.outputs)}
        scores, boxes = (segments(model, index[part.output], 2) for part in head.parts)
        softmax = all(source.ops == {"Softmax"} for source in scores)
        return head if softmax and not any(source.is_probability for source in boxes) else None

    def fit(self, model: Model) -> Head | None:
        """Two outputs with the same anchors, one of them with four columns."""
        shapes = [spec.shape for spec in model.outputs]
        if image_input(model) is None or len(shapes) != 2 or any(len(s) != 3 or None in s for s in shapes):
            return None
        if shapes[0][:2] != shapes[1][:2] or shapes[0][0] != 1:
            return None
        boxes = _boxes_output(model)
        columns = None if boxes is None else shapes[1 - boxes][2]
        if boxes is None or columns is None or columns < 2:
            return None
        names = [spec.name for spec in model.outputs]
        return Head(
            self.name,
            self.task,
            (
                Part("scores", names[1 - boxes], 2, 0, None, "probability", 2),
                Part("boxes", names[boxes], 2, 0, None, "boxes", 2),
            ),
            {"nc": columns - 1},
            f"{names[1 - boxes]} has a background and {columns - 1} classes, {names[boxes]} 4 corners, "
            f"for {shapes[0][1]} anchors each",
        )

    def contract(self, head: Head, model: Model) -> Contract:
        """Plain resize, RGB, (x - 127) / 128."""
        return image_contract(model, "RGB", 127.0, 128.0, resize="stretch")

    def decode(
        self, outputs: Mapping[str, NDArray[Any]], head: Head, contract: Contract, settings: DecodeSettings
    ) -> Candidates:
        """Every class but the background of every anchor whose score passes; class ids do not count the background."""
        scores = np.asarray(outputs[head.parts[0].output][0, :, 1:].T, np.float32)
        class_ids, anchors, best = select(scores, settings)
        relative = np.asarray(outputs[head.parts[1].output][0][anchors], np.float32)
        return Candidates(box_corners(relative, contract), best, class_ids)


def box_corners(relative: NDArray[np.float32], contract: Contract) -> NDArray[np.float32]:
    """Corners (n, 4), network pixels, from corners relative to the input."""
    size = np.array([contract.width, contract.height] * 2, np.float32)
    with np.errstate(invalid="ignore", over="ignore"):  # `Candidates.usable` drops what is not finite
        return np.asarray(relative * size, np.float32)


def _boxes_output(model: Model) -> int | None:
    """Which of the two outputs holds the boxes; when both have four columns, the one without softmax."""
    four = [place for place, spec in enumerate(model.outputs) if spec.shape[2] == 4]
    if len(four) == 2:
        return next((place for place in four if not any(s.is_probability for s in segments(model, place, 2))), None)
    return four[0] if four else None


FAMILIES.add(Ssd.name, Ssd())
