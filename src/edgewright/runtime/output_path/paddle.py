"""PaddleDetection's heads: scores are compared as codes; boxes are read, and decoded, for survivors only."""

from __future__ import annotations

import numpy as np

from edgewright.data.contract import Contract
from edgewright.runtime.output_path.base import FAST, FastDecode, ScorePlane
from edgewright.runtime.output_path.limits import Activation, unchanged
from edgewright.runtime.output_path.restored import Reader
from edgewright.runtime.output_path.slots import Arrays, Slot
from edgewright.tasks.base import DecodeSettings, Head
from edgewright.tasks.detection.postprocess import Candidates
from edgewright.tasks.detection.rtdetr import query_corners
from edgewright.tasks.numerics import sigmoid


class FastCorners:
    """See `FastDecode`: boxes are corners already."""

    how = "class scores compared as they lie; boxes converted for the scores that pass"

    def __init__(self, boxes: Slot, scores: Slot) -> None:
        self._boxes, self._scores = boxes, ScorePlane(scores, unchanged)

    def __call__(self, outputs: Arrays, settings: DecodeSettings) -> Candidates | None:
        """Candidates, best first."""
        found = self._scores.passing(outputs, settings.confidence)
        if found is None:
            return None
        best = found.best(settings)
        boxes = np.ascontiguousarray(self._boxes.at(outputs, best.places).T)
        return Candidates(boxes, best.scores, best.class_ids)


class FastQueries:
    """See `FastDecode`: boxes are centre and size relative to the input."""

    how = "class scores compared as they lie, before their sigmoid; boxes converted for the queries that pass"

    def __init__(self, boxes: Slot, scores: Slot, activation: Activation, contract: Contract) -> None:
        self._boxes, self._scores, self._contract = boxes, ScorePlane(scores, activation), contract

    def __call__(self, outputs: Arrays, settings: DecodeSettings) -> Candidates | None:
        """Candidates, best first."""
        found = self._scores.passing(outputs, settings.confidence)
        if found is None:
            return None
        best = found.best(settings)
        relative = self._boxes.at(outputs, best.places)
        return Candidates(query_corners(relative, self._contract), best.scores, best.class_ids)


def make_corners(head: Head, contract: Contract, read: Reader) -> FastDecode | str:  # noqa: ARG001 - see `Make`
    """Boxes and scores in one output or apart."""
    boxes, scores = (read.slot(part) for part in head.parts)
    if boxes is None or scores is None:
        return "boxes or scores are computed by the restoration"
    return FastCorners(boxes, scores)


@FAST.register("rtdetr")
def make_queries(head: Head, contract: Contract, read: Reader) -> FastDecode | str:
    """Boxes and scores in one output or apart."""
    boxes, scores = (read.slot(part) for part in head.parts)
    if boxes is None or scores is None:
        return "boxes or scores are computed by the restoration"
    return FastQueries(boxes, scores, unchanged if head.params["sigmoid"] else sigmoid, contract)


for _family in ("picodet", "ppyoloe"):
    FAST.add(_family, make_corners)
