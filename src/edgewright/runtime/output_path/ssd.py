"""SSD-type heads decoded in the graph: the background column is skipped, corners are read for survivors only."""

from __future__ import annotations

from edgewright.data.contract import Contract
from edgewright.runtime.output_path.base import FAST, FastDecode, ScorePlane
from edgewright.runtime.output_path.limits import unchanged
from edgewright.runtime.output_path.restored import Reader
from edgewright.runtime.output_path.slots import Arrays, Slot
from edgewright.tasks.base import DecodeSettings, Head
from edgewright.tasks.detection.postprocess import Candidates
from edgewright.tasks.detection.ssd import box_corners


class FastSsd:
    """See `FastDecode`."""

    how = "class scores compared as they lie; corners converted for the scores that pass"

    def __init__(self, boxes: Slot, scores: Slot, contract: Contract) -> None:
        self._boxes, self._scores, self._contract = boxes, ScorePlane(scores.part(1, None), unchanged), contract

    def __call__(self, outputs: Arrays, settings: DecodeSettings) -> Candidates | None:
        """Candidates, best first."""
        found = self._scores.passing(outputs, settings.confidence)
        if found is None:
            return None
        best = found.best(settings)
        relative = self._boxes.at(outputs, best.places).T
        return Candidates(box_corners(relative, self._contract), best.scores, best.class_ids)


@FAST.register("ssd")
def make(head: Head, contract: Contract, read: Reader) -> FastDecode | str:
    """Scores and boxes in outputs of their own."""
    scores, boxes = (read.slot(part) for part in head.parts)
    if boxes is None or scores is None or scores.channels < 2:
        return "boxes or scores are computed by the restoration"
    return FastSsd(boxes, scores, contract)
