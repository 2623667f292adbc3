"""Results of many images in one file: JSON as `edgewright run` prints it, or COCO's results format."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from edgewright.errors import DataError
from edgewright.files import explained_write_errors, write_bytes_atomic
from edgewright.tasks.detection.detections import Detections
from edgewright.tasks.keypoints.keypoints import Keypoints

Result = Detections | Keypoints


def save_json(path: Path, results: Mapping[str, Result]) -> None:
    """Write results by image name: a list of objects for each image, as their `to_json` gives it.

    Raises:
        OutputError: the file cannot be written.
    """
    _write(path, {name: found.to_json() for name, found in results.items()})


def save_coco(
    path: Path,
    results: Mapping[str, Result],
    image_ids: Mapping[str, int],
    categories: Sequence[int] | None = None,
) -> None:
    """Write results as a COCO results file, which pycocotools reads with `loadRes`.

    Args:
        path: of the file.
        results: by image name.
        image_ids: number of each image in the labels.
        categories: category id of each class; None takes the class ids.

    Raises:
        DataError: an image has no number, or a class no category.
        OutputError: the file cannot be written.
    """
    missing = [name for name in results if name not in image_ids]
    if missing:
        raise DataError(
            f"{len(missing)} images have no number in the labels",
            why=f"the first is {missing[0]}",
            todo="give the labels of these images",
        )
    rows = [row for name, found in results.items() for row in _coco(found, name, image_ids[name], categories)]
    _write(path, rows)


def _coco(found: Result, name: str, image_id: int, categories: Sequence[int] | None) -> list[dict[str, Any]]:
    if isinstance(found, Keypoints):
        return found.to_coco(image_id)
    try:
        return found.to_coco(image_id, categories)
    except ValueError as error:
        raise DataError("the classes do not fit the categories", where=name, why=str(error)) from error


def _write(path: Path, content: Any) -> None:
    with explained_write_errors(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_bytes_atomic(path, json.dumps(content).encode())
