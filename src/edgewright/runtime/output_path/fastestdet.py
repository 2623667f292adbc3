"""FastestDet heads: objectness first; regressions read for survivors only."""

from __future__ import annotations

from edgewright.data.contract import Contract
from edgewright.runtime.output_path.base import FAST, FastDecode
from edgewright.runtime.output_path.objectness import JointScores
from edgewright.runtime.output_path.restored import Reader
from edgewright.runtime.output_path.slots import Arrays, Slot
from edgewright.tasks.base import DecodeSettings, Head
from edgewright.tasks.detection.fastestdet import box_corners, joint_scores
from edgewright.tasks.detection.postprocess import Candidates


class FastFastestDet:
    """See `FastDecode`."""

    how = "objectness first; classes and boxes converted for the cells that it lets through"

    def __init__(self, boxes: Slot, scores: JointScores, contract: Contract) -> None:
        self._boxes, self._scores, self._contract = boxes, scores, contract

    def __call__(self, outputs: Arrays, settings: DecodeSettings) -> Candidates | None:
        """Candidates, best first."""
        found = self._scores.passing(outputs, settings.confidence)
        if found is None:
            return None
        best = found.best(settings)
        rows, columns = outputs[self._boxes.output].shape[2:]
        boxes = self._boxes.at(outputs, best.places)
        corners = box_corners(boxes, best.places, (rows, columns), self._contract)
        return Candidates(corners, best.scores, best.class_ids)


@FAST.register("fastestdet")
def make(head: Head, contract: Contract, read: Reader) -> FastDecode | str:
    """One map, or objectness, boxes and classes apart."""
    objectness, boxes, classes = (read.slot(part) for part in head.parts)
    if boxes is None or objectness is None or classes is None or boxes.axis != 1:
        return "boxes or scores are computed by the restoration"
    return FastFastestDet(boxes, JointScores(objectness, classes, joint_scores, logits=False), contract)
