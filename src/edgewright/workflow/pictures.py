"""A few evaluation images with the detections of every variant side by side."""

from __future__ import annotations

from collections.abc import Sequence

from edgewright.data.images import read_image
from edgewright.report.picture import Picture
from edgewright.tasks.base import FAMILIES
from edgewright.tasks.detection.detections import Detections
from edgewright.tasks.drawing import draw_detections
from edgewright.verify.evaluate import REFERENCE
from edgewright.workflow.inputs import ImageFiles
from edgewright.workflow.measured import Task
from edgewright.workflow.variants import Built

_COUNT = 4


def side_by_side(task: Task, images: ImageFiles, built: Sequence[Built]) -> list[Picture]:
    """Pictures of the images on which variants differ most from the source model in number of detections.

    Heads without boxes have no pictures.
    """
    if task.head.task != "detection":
        return []
    confidence = FAMILIES.get(task.head.family).running.confidence
    columns: dict[str, dict[str, Detections]] = {"source model": _confident(built[0], REFERENCE, task, confidence)}
    for one in built[1:] or built:
        columns[one.name] = _confident(one, one.stage, task, confidence)
    # a slow target is measured on some of the images
    measured = set.intersection(*(set(found) for found in columns.values()))
    reference = {name: found for name, found in columns["source model"].items() if name in measured}

    def interest(name: str) -> tuple[int, int]:
        return (max(abs(len(found[name]) - len(reference[name])) for found in columns.values()), len(reference[name]))

    paths = {path.name: path for path in images.paths}
    chosen = sorted(sorted(reference), key=interest, reverse=True)[:_COUNT]
    pictures = []
    for name in chosen:
        image = read_image(paths[name])
        panels = [
            (f"{label}: {len(found[name])}", draw_detections(image, found[name])) for label, found in columns.items()
        ]
        pictures.append(Picture.from_arrays(name, f"detections with a score of {confidence:g} or more", panels))
    return pictures


def _confident(built: Built, stage: str, task: Task, confidence: float) -> dict[str, Detections]:
    found = built.measured.detections(stage, task.names)
    return {name: detections[detections.scores >= confidence] for name, detections in found.items()}
