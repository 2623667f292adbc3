"""Trials: candidates, emulated on calibration images, against the float model."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from edgewright.graph.model import Model
from edgewright.graph.reference import Feeds, Outputs, ReferenceSession
from edgewright.repair.bench import Trial
from edgewright.repair.damage import DamageMeter
from edgewright.tasks.detection.metrics import agreement_ap
from edgewright.tasks.metric import Metric
from edgewright.verify.evaluate import Sample
from edgewright.workflow.inputs import ImageFiles
from edgewright.workflow.measured import Task, samples

_KEPT = 768 << 20
"""Bytes of inputs and float outputs that are kept between trials; what is beyond is made again each time."""

Run = Callable[[Feeds], Outputs]


class Trials:
    """Compares candidates with the float model on the same images.

    Args:
        task: what outputs mean. Labels are not used: a trial asks for agreement with the float model.
        model: the float model.
        images: images to compare on, in the order in which they are taken.
    """

    def __init__(self, task: Task, model: Model, images: ImageFiles) -> None:
        self._task, self._images = task, images
        self._reference = ReferenceSession(model.data, name=model.name)
        self._kept: list[tuple[Sample, Outputs]] = []
        self._bytes = 0
        self._full = False
        self._detections: dict[str, Any] = {}

    def trial(self, run: Run, most: int) -> Trial:
        """Run a candidate on the first `most` images, or on all there are.

        Args:
            run: network inputs to outputs of the source model.
        """
        meter = DamageMeter(self._task.head.parts)
        found: dict[str, Any] = {}
        count = 0
        for sample, expected in self._references(most):
            outputs = run(sample.feeds)
            meter.add(expected, outputs)
            count += 1
            if self._task.head.task == "detection":
                found[sample.name] = self._task.detections(outputs, sample.placement)
                if sample.name not in self._detections:
                    self._detections[sample.name] = self._task.detections(expected, sample.placement)
        return Trial(count, meter.result(), self._agreement(found))

    def _agreement(self, found: dict[str, Any]) -> Metric | None:
        if not found:
            return None
        return agreement_ap(found, {name: self._detections[name] for name in found})

    def _references(self, most: int) -> Iterator[tuple[Sample, Outputs]]:
        paths = self._images.paths[:most]
        yield from self._kept[: len(paths)]
        rest = ImageFiles(paths[len(self._kept) :], ())
        for sample in samples(rest, self._task.contract):
            outputs = self._reference(sample.feeds)
            self._bytes += sum(array.nbytes for array in (*sample.feeds.values(), *outputs.values()))
            self._full = self._full or self._bytes > _KEPT
            if not self._full:
                self._kept.append((sample, outputs))
            yield sample, outputs
