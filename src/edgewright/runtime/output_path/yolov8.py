"""YOLOv8-type heads decoded in the graph: scores are compared as codes, boxes are read for survivors only."""

from __future__ import annotations

from edgewright.data.contract import Contract
from edgewright.runtime.output_path.base import FAST, FastDecode, ScorePlane
from edgewright.runtime.output_path.limits import unchanged
from edgewright.runtime.output_path.restored import Reader
from edgewright.runtime.output_path.slots import Arrays, Slot
from edgewright.tasks.base import DecodeSettings, Head
from edgewright.tasks.detection.postprocess import Candidates, corners


class FastYoloV8:
    """See `FastDecode`."""

    how = "class scores compared as they lie; boxes converted for the scores that pass"

    def __init__(self, boxes: Slot, scores: Slot) -> None:
        self._boxes, self._scores = boxes, ScorePlane(scores, unchanged)

    def __call__(self, outputs: Arrays, settings: DecodeSettings) -> Candidates | None:
        """Candidates, best first."""
        found = self._scores.passing(outputs, settings.confidence)
        if found is None:
            return None
        best = found.best(settings)
        return Candidates(corners(self._boxes.at(outputs, best.places)), best.scores, best.class_ids)


@FAST.register("yolov8")
def make(head: Head, contract: Contract, read: Reader) -> FastDecode | str:  # noqa: ARG001 - see `Make`
    """Boxes and scores in one output or apart."""
    boxes, scores = (read.slot(part) for part in head.parts)
    if boxes is None or scores is None:
        return "boxes or scores are computed by the restoration"
    return FastYoloV8(boxes, scores)
