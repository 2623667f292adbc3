"""RT-DETR heads: boxes and class scores of a set of queries, each object answered by one of them, so without NMS.

Outputs (1, queries, 4), centre and size relative to the input, from a sigmoid, and (1, queries, classes) of logits or
of sigmoids; joined in one output in the Ultralytics export. Queries are chosen from the image by a TopK, which tells
the networks that score each class by a sigmoid (RT-DETR, DINO) from DETR, whose softmax has a class for nothing.
Source: RT-DETR, arXiv:2304.08069, and PaddleDetection, `DETRPostProcess`.
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
from edgewright.tasks.detection.postprocess import Candidates, corners, select
from edgewright.tasks.numerics import sigmoid
from edgewright.tasks.structure import image_contract, image_input, segments, within
from edgewright.tensors import Part

_LINEAR = frozenset({"Add", "Gemm", "MatMul"})
NO_SUPPRESSION = 1.0  # no two boxes overlap by more


class RtDetr:
    """Boxes and scores of queries."""

    name = "rtdetr"
    title = "RT-DETR type: queries, no NMS"
    task = "detection"
    needs = "boxes (1, queries, 4) and scores (1, queries, classes), or both in one output (1, queries, 4 + classes)"
    evaluation = DecodeSettings(confidence=0.001, iou=NO_SUPPRESSION)
    running = DecodeSettings(confidence=0.5, iou=NO_SUPPRESSION)

    def recognise(self, model: Model) -> Head | None:
        """Boxes must come from a sigmoid, scores from a linear op or a sigmoid, and a TopK must choose the queries."""
        head = self.fit(model)
        if head is None or not any(node.op_type == "TopK" for node in model.ir.graph):
            return None
        place = {spec.name: index for index, spec in enumerate(model.outputs)}
        boxes, scores = (within(segments(model, place[p.output], 2), p.start, p.stop) for p in head.parts)
        linear = all(segment.ops <= _LINEAR for segment in scores)
        sigmoids = all(segment.ops == {"Sigmoid"} for segment in scores)
        cut = all(segment.stop <= 4 for segment in boxes) and all(s.start >= head.parts[1].start for s in scores)
        decoded = all(segment.ops == {"Sigmoid"} for segment in boxes)
        return head if cut and decoded and (linear or sigmoids) else None

    def fit(self, model: Model) -> Head | None:
        """Two outputs with the same queries, one of them with four columns; or one output with more."""
        shapes = [spec.shape for spec in model.outputs]
        if image_input(model) is None or any(len(shape) != 3 or None in shape or shape[0] != 1 for shape in shapes):
            return None
        if len(shapes) == 1:
            return self._head(model, 0, 0, 4) if (shapes[0][2] or 0) > 4 else None
        if len(shapes) != 2 or shapes[0][1] != shapes[1][1]:
            return None
        four = [place for place, shape in enumerate(shapes) if shape[2] == 4]
        return self._head(model, four[0], 1 - four[0], 0) if four else None

    def _head(self, model: Model, boxes: int, scores: int, start: int) -> Head:
        found = within(segments(model, scores, 2), start)
        activated = bool(found) and all(segment.is_probability for segment in found)
        given, classes = model.outputs[boxes], (model.outputs[scores].shape[2] or 0) - start
        kind, last = "probability" if activated else "logits", 4 if start else None
        return Head(
            self.name,
            self.task,
            (
                Part("boxes", given.name, 2, 0, last, "boxes", 2),
                Part("scores", model.outputs[scores].name, 2, start, None, kind, 2),
            ),
            {"nc": classes, "sigmoid": activated},
            f"{given.name} has centre and size and {model.outputs[scores].name} {classes} scores of {given.shape[1]} "
            "queries",
        )

    def contract(self, head: Head, model: Model) -> Contract:
        """Plain cubic resize, RGB, 0..1."""
        return image_contract(model, "RGB", 0.0, 255.0, resize="stretch", interpolation="cubic")

    def decode(
        self, outputs: Mapping[str, NDArray[Any]], head: Head, contract: Contract, settings: DecodeSettings
    ) -> Candidates:
        """Every class of every query whose score passes."""
        values = np.asarray(head.parts[1].take(outputs)[0], np.float32).T
        class_ids, queries, best = select(values if head.params["sigmoid"] else sigmoid(values), settings)
        relative = np.asarray(head.parts[0].take(outputs)[0][queries].T, np.float32)
        return Candidates(query_corners(relative, contract), best, class_ids)


def query_corners(relative: NDArray[np.float32], contract: Contract) -> NDArray[np.float32]:
    """Corners (n, 4), network pixels, from rows cx, cy, w, h (4, n) relative to the input."""
    size = np.array([[contract.width], [contract.height]] * 2, np.float32)
    with np.errstate(invalid="ignore", over="ignore"):  # `Candidates.usable` drops what is not finite
        return corners(np.ascontiguousarray(relative * size, np.float32))


FAMILIES.add(RtDetr.name, RtDetr())
