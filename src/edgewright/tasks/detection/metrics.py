"""Average precision of detections, by pycocotools: against labels, or against another run's detections."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgewright.data.labels import ImageLabels, Labels
from edgewright.errors import DataError
from edgewright.tasks.detection.detections import Detections
from edgewright.tasks.metric import Metric

MAX_DETECTIONS = 300  # per image; COCO's 100 would cut what YOLO evaluation keeps
REFERENCE_CONFIDENCE = 0.25
_AREAS = ("all", "small", "medium", "large")


def coco_ap(detections: Mapping[str, Detections], labels: Labels, nc: int) -> Metric:
    """AP over IoU 0.50 to 0.95 (COCO), points 0..100, at most 300 detections an image and class.

    Images of which the labels know nothing are left out and counted in `details`.

    Args:
        detections: by image file name, image pixels, at the evaluation threshold.
        labels: labels of these images; others of theirs are left out.
        nc: number of the model's classes.

    Returns:
        A metric "AP" with details AP50, AP75, AP by size (None where the labels have no such object), AP by class (only
        classes that are labelled), counts.

    Raises:
        DataError: an image is not among the labels' images; a labelled class is not among the model's; no labelled
            object at all, which leaves AP without a value.
    """
    labels.check_classes(nc)
    unknown = [name for name in detections if name not in labels.images and name not in labels.unlabelled]
    if unknown:
        raise DataError(
            f"{len(unknown)} images are not among those that labels were read for",
            where=str(labels.source),
            why=f"the first is {unknown[0]}",
            todo="read the labels for the images that are evaluated",
        )
    truth = {name: labels.images[name] for name in detections if name in labels.images}
    if not any((~entry.crowd).any() for entry in truth.values()):
        raise DataError(
            "the labels hold no box",
            where=str(labels.source),
            why=f"{len(truth)} labelled images, no object in any of them",
            todo="use images with labelled objects, or leave the labels out to compare with the float model instead",
        )
    details = {"images without labels": len(labels.unlabelled)}
    return _average_precision("AP", detections, truth, labels.names, details)


def agreement_ap(
    detections: Mapping[str, Detections],
    reference: Mapping[str, Detections],
    confidence: float = REFERENCE_CONFIDENCE,
) -> Metric:
    """AP of detections when the reference's confident detections are taken for the truth, points 0..100.

    The reference against itself falls short of 100 only where its own weaker detections come before better ones, which
    cannot be: it has 100.

    Args:
        detections: by image name, at the evaluation threshold.
        reference: the float model's detections of the same images.
        confidence: score from which a detection of the reference counts as true.

    Raises:
        DataError: the images are not the same; the reference detects nothing with that score on any image, which leaves
            nothing to agree with.
    """
    if set(detections) != set(reference):
        odd = sorted(set(detections) ^ set(reference))
        raise DataError(f"{len(odd)} images are in one of the two runs only", why=f"the first is {odd[0]}")
    truth = {}
    for name, found in reference.items():
        good = found[found.scores >= confidence]
        truth[name] = ImageLabels.of(good.xyxy.tolist(), good.class_ids.tolist())
    if not any(len(entry) for entry in truth.values()):
        raise DataError(
            f"the float model detects nothing with a score of {confidence:g} or more on any of {len(reference)} images",
            why="without a confident detection there is nothing that another variant could agree with",
            todo="check the preprocessing, or use images with objects that the model knows",
        )
    names: Sequence[str] = next((found.names for found in reference.values() if found.names), ())
    return _average_precision("agreement AP", detections, truth, names, {"reference confidence": confidence})


def _average_precision(
    name: str,
    detections: Mapping[str, Detections],
    truth: Mapping[str, ImageLabels],
    names: Sequence[str],
    details: Mapping[str, Any],
) -> Metric:
    # AP is the mean over classes that have objects: detections of other classes do not enter it
    classes = sorted({int(i) for entry in truth.values() for i in entry.class_ids[~entry.crowd]})
    precision = _precision(detections, truth, classes)
    by_class = {
        (names[class_id] if class_id < len(names) else str(class_id)): _mean(precision[:, :, place, 0])
        for place, class_id in enumerate(classes)
    }
    value = _mean(precision[:, :, :, 0])
    found = {
        "AP50": _mean(precision[0, :, :, 0]),
        "AP75": _mean(precision[5, :, :, 0]),
        **{f"AP {size}": _mean(precision[:, :, :, place]) for place, size in enumerate(_AREAS) if place},
        "AP by class": by_class,
        "detections": sum(len(detections[image]) for image in truth),
        "objects": sum(int((~entry.crowd).sum()) for entry in truth.values()),
        **details,
    }
    return Metric(name, 0.0 if value is None else value, len(truth), details=found)


def _precision(
    detections: Mapping[str, Detections], truth: Mapping[str, ImageLabels], classes: list[int]
) -> NDArray[np.float64]:
    """Precision at (IoU, recall, class, area), -1 where there is no object."""
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval, Params

    wanted = set(classes)
    labelled = [row for place, name in enumerate(truth) for row in _truth_rows(place, truth[name], wanted)]
    found = [row for place, name in enumerate(truth) for row in _found_rows(place, detections[name], wanted)]
    with contextlib.redirect_stdout(io.StringIO()):
        evaluation = COCOeval(_coco(COCO(), labelled, truth, classes), _coco(COCO(), found, truth, classes), "bbox")
        params: Params = evaluation.params
        params.maxDets = [1, 10, MAX_DETECTIONS]
        evaluation.evaluate()
        evaluation.accumulate()
    return np.asarray(evaluation.eval["precision"][..., -1], np.float64)


def _coco(coco: Any, rows: list[dict[str, Any]], truth: Mapping[str, ImageLabels], classes: list[int]) -> Any:
    """A COCO data set in memory; annotation ids start at 1, for pycocotools takes 0 for "not matched"."""
    for number, row in enumerate(rows, 1):
        row["id"] = number
    coco.dataset = {
        "images": [{"id": place} for place in range(len(truth))],
        "categories": [{"id": class_id} for class_id in classes],
        "annotations": rows,
    }
    coco.createIndex()
    return coco


def _truth_rows(image: int, entry: ImageLabels, wanted: set[int]) -> list[dict[str, Any]]:
    sizes = _xywh(entry.xyxy)
    columns = zip(sizes, entry.class_ids.tolist(), entry.crowd.tolist(), entry.area.tolist(), strict=True)
    return [
        {"image_id": image, "category_id": class_id, "bbox": box, "iscrowd": int(crowd), "ignore": 0, "area": area}
        for box, class_id, crowd, area in columns
        if class_id in wanted
    ]


def _found_rows(image: int, found: Detections, wanted: set[int]) -> list[dict[str, Any]]:
    columns = zip(_xywh(found.xyxy), found.class_ids.tolist(), found.scores.tolist(), strict=True)
    return [
        {"image_id": image, "category_id": class_id, "bbox": box, "score": score, "area": box[2] * box[3], "iscrowd": 0}
        for box, class_id, score in columns
        if class_id in wanted
    ]


def _xywh(xyxy: NDArray[np.float32]) -> list[list[float]]:
    boxes = np.asarray(xyxy, np.float64)
    rows: list[list[float]] = np.concatenate([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], axis=1).tolist()
    return rows


def _mean(precision: NDArray[np.float64]) -> float | None:
    """Mean in points over the entries that have a value; None if none has."""
    known = precision[precision > -1]
    return float(known.mean() * 100) if len(known) else None
