"""YOLOX heads: objectness first; boxes read for survivors only."""

from __future__ import annotations

from edgewright.data.contract import Contract
from edgewright.runtime.output_path.base import FAST, FastDecode
from edgewright.runtime.output_path.objectness import JointScores
from edgewright.runtime.output_path.restored import Reader
from edgewright.runtime.output_path.slots import Arrays, Slot
from edgewright.tasks.base import DecodeSettings, Head
from edgewright.tasks.detection.postprocess import Candidates
from edgewright.tasks.detection.yolox import box_corners
from edgewright.tasks.numerics import sigmoid
from edgewright.tensors import Float


class FastYoloX:
    """See `FastDecode`."""

    how = "objectness first; classes and boxes converted for the anchors that it lets through"

    def __init__(self, boxes: Slot, scores: JointScores, head: Head, contract: Contract) -> None:
        self._boxes, self._scores, self._head, self._contract = boxes, scores, head, contract

    def __call__(self, outputs: Arrays, settings: DecodeSettings) -> Candidates | None:
        """Candidates, best first."""
        found = self._scores.passing(outputs, settings.confidence)
        if found is None:
            return None
        best = found.best(settings)
        boxes = self._boxes.at(outputs, best.places)
        return Candidates(box_corners(boxes, best.places, self._head, self._contract), best.scores, best.class_ids)


def _product(objectness: Float, classes: Float) -> Float:
    return classes * objectness


def _product_of_logits(objectness: Float, classes: Float) -> Float:
    return sigmoid(classes) * sigmoid(objectness)


@FAST.register("yolox")
def make(head: Head, contract: Contract, read: Reader) -> FastDecode | str:
    """Boxes, objectness and classes in one output or apart."""
    boxes, objectness, classes = (read.slot(part) for part in head.parts)
    if boxes is None or objectness is None or classes is None:
        return "boxes or scores are computed by the restoration"
    logits = not head.params["sigmoid"]
    scores = JointScores(objectness, classes, _product_of_logits if logits else _product, logits=logits)
    return FastYoloX(boxes, scores, head, contract)
