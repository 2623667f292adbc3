"""COCO labels: one JSON file with images, categories and annotations. Source: cocodataset.org, "Data format"."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from edgewright.data.labels.base import ImageLabels, Labels
from edgewright.data.labels.reading import by_name, read_text
from edgewright.data.labels.sizes import image_size
from edgewright.errors import DataError

_MAX_BYTES = 1 << 30  # instances_train2017.json has 448 MB


class CocoFormat:
    """One .json file, or a folder that holds one and no other labels."""

    name = "coco"
    title = "COCO"
    layout = "a .json file with images, categories and annotations"

    def accepts(self, path: Path) -> bool:
        """A .json file, or a folder with exactly one."""
        return _json_file(path) is not None

    def load(self, path: Path, images: Sequence[Path], names: Sequence[str]) -> Labels:
        """Labels of `images`; see `LabelFormat`. Class ids follow `Labels.category_ids`, or `names` where given."""
        file = _json_file(path)
        if file is None:
            raise ValueError(f"{path} is no COCO file")
        data = _parse(file)
        categories = {_integer(entry, "id", file): entry for entry in _table(data, "categories", file)}
        order = tuple(sorted(categories))
        own = tuple(str(categories[number].get("name", number)) for number in order)
        ids = by_name(names, own, file) if names else {name: place for place, name in enumerate(own)}
        if len(set(own)) != len(own):
            raise DataError("two categories have the same name", where=f"{file}, categories")
        class_of = {number: ids[name] for number, name in zip(order, own, strict=True)}
        chosen = _chosen(images, _table(data, "images", file), file)
        _check_sizes({image.name: image for image in images}, chosen, file)
        found = _annotations(data, {_integer(e, "id", file): name for name, e in chosen.items()}, class_of, file)
        return Labels(
            path,
            self.name,
            found,
            tuple(names) or own,
            tuple(image.name for image in images if image.name not in chosen),
            order,
            ids_from_file=bool(names),
        )


FORMAT = CocoFormat()


def _json_file(path: Path) -> Path | None:
    if path.is_dir():
        found = sorted(path.glob("*.json"))
        return found[0] if len(found) == 1 else None
    return path if path.suffix.lower() == ".json" else None


def _parse(file: Path) -> dict[str, Any]:
    try:
        data = json.loads(read_text(file, _MAX_BYTES))
    except RecursionError:
        raise DataError("this JSON file is nested too deeply", where=str(file)) from None
    except ValueError as error:
        raise DataError("this file is not valid JSON", where=str(file), why=str(error)) from None
    if not isinstance(data, dict) or "images" not in data or "annotations" not in data:
        raise DataError(
            "this JSON file holds no COCO labels",
            where=str(file),
            why="COCO labels are an object with images, categories and annotations",
            todo="pass an instances file; a results file (a list of detections) holds no labels",
        )
    return data


def _table(data: dict[str, Any], key: str, file: Path) -> list[dict[str, Any]]:
    rows = data.get(key)
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise DataError(f"{key!r} must be a list of objects", where=str(file))
    return rows


def _chosen(images: Sequence[Path], entries: list[dict[str, Any]], file: Path) -> dict[str, dict[str, Any]]:
    """The entry of each image that has one, by file name; of several, the one in a folder of the same name (split)."""
    by_name_of: dict[str, list[tuple[PurePosixPath, dict[str, Any]]]] = {}
    for entry in entries:
        name = entry.get("file_name")
        if not isinstance(name, str) or not name:
            raise DataError("an image has no file_name", where=f"{file}, image id {entry.get('id')}")
        path = PurePosixPath(name.replace("\\", "/"))
        by_name_of.setdefault(path.name, []).append((path, entry))
    chosen = {}
    for image in images:
        found = by_name_of.get(image.name, [])
        if len(found) > 1:
            found = [(path, entry) for path, entry in found if path.parent.name == image.parent.name]
            if len(found) != 1:
                raise DataError(
                    f"several images of these labels are called {image.name}",
                    where=f"{file}, images",
                    todo="use labels of one folder of images",
                )
        if found:
            chosen[image.name] = found[0][1]
    return chosen


def _check_sizes(images: dict[str, Path], chosen: dict[str, dict[str, Any]], file: Path) -> None:
    """An image that was resized or turned after it was labelled has its boxes in other places."""
    for name, entry in chosen.items():
        said = (entry.get("width"), entry.get("height"))
        if None in said:
            continue
        real = image_size(images[name])
        if said != real:
            raise DataError(
                f"{name} has {real[0]} x {real[1]} pixels, but was labelled at {said[0]} x {said[1]}",
                where=f"{file}, image id {entry.get('id')}",
                todo="use the images that were labelled (not resized, not turned by Exif data)",
            )


def _annotations(
    data: dict[str, Any], name_of: dict[int, str], class_of: dict[int, int], file: Path
) -> dict[str, ImageLabels]:
    """Labels of the images in `name_of`, from the annotations of the file."""
    rows: dict[str, list[tuple[list[float], int, bool, float]]] = {name: [] for name in name_of.values()}
    for place, entry in enumerate(_table(data, "annotations", file)):
        name = name_of.get(_integer(entry, "image_id", file))
        if name is None:
            continue
        where = f"{file}, annotation {entry.get('id', place)}"
        category = _integer(entry, "category_id", file)
        if category not in class_of:
            raise DataError(f"category {category} is not among the categories", where=where)
        x, y, w, h = _box(entry, where)
        area = entry.get("area", w * h)
        area = float(area) if isinstance(area, (int, float)) and math.isfinite(area) else w * h
        rows[name].append(([x, y, x + w, y + h], class_of[category], bool(entry.get("iscrowd", 0)), area))
    return {
        name: ImageLabels.of(*(list(column) for column in zip(*found, strict=True)))
        if found
        else ImageLabels.of([], [])
        for name, found in rows.items()
    }


def _box(entry: dict[str, Any], where: str) -> tuple[float, float, float, float]:
    box = entry.get("bbox")
    is_box = isinstance(box, list) and len(box) == 4
    if not is_box or not all(isinstance(v, (int, float)) and math.isfinite(v) and abs(v) < 1e9 for v in box or []):
        raise DataError(f"the bbox {str(box)[:60]} is not four finite numbers", where=where)
    x, y, w, h = (float(value) for value in box or [])
    if w < 0 or h < 0:
        raise DataError(f"the bbox has the negative size {w} x {h}", where=where, todo="a bbox is x, y, width, height")
    return x, y, w, h


def _integer(entry: dict[str, Any], key: str, file: Path) -> int:
    value = entry.get(key)
    if not isinstance(value, int) or isinstance(value, bool):
        raise DataError(
            f"{key!r} must be a whole number, but got {str(value)[:40]!r}", where=f"{file}, {str(entry)[:80]}"
        )
    return value
