"""YOLO labels: one .txt file an image, one line an object.

A line holds a class id and the box as centre x, centre y, width, height, relative to the image; or a class id and the
corners of a polygon, x1 y1 x2 y2 ..., of which the bounding box is taken. Source: Ultralytics, "Object Detection
Datasets".
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from edgewright.data.labels.base import ImageLabels, Labels
from edgewright.data.labels.class_names import NAME_FILES, find_class_names
from edgewright.data.labels.reading import file_of, files_below, number, read_text
from edgewright.data.labels.sizes import image_size
from edgewright.errors import DataError

_MAX_BYTES = 8 << 20
_MAX_CLASS = 1_000_000
_SLACK = 1e-4  # exporters round to four digits and more
_README = {"readme.txt", "license.txt"}


class YoloFormat:
    """A folder of .txt files."""

    name = "yolo"
    title = "YOLO"
    layout = "a folder of .txt files, one for each image, or the folder above labels/"

    def accepts(self, path: Path) -> bool:
        """A folder with label files in it, below `labels/` in it, or below the `labels/` beside an `images/` folder."""
        return path.is_dir() and _root(path) is not None

    def load(self, path: Path, images: Sequence[Path], names: Sequence[str]) -> Labels:
        """Labels of `images`; see `LabelFormat`."""
        root = _root(path)
        if root is None:
            raise ValueError(f"{path} holds no YOLO labels")
        files: dict[str, list[Path]] = {}
        for file in _label_files(root):
            files.setdefault(file.stem, []).append(file)
        found: dict[str, ImageLabels] = {}
        unlabelled: list[str] = []
        for image in images:
            own = file_of(image, files.get(image.stem, []))
            if own is None:
                unlabelled.append(image.name)
            found[image.name] = ImageLabels.of([], []) if own is None else _read(own, image)
        return Labels(path, self.name, found, tuple(names) or find_class_names(root), tuple(unlabelled))


FORMAT = YoloFormat()


def _root(path: Path) -> Path | None:
    """The folder below which the label files lie."""
    places = [path / "labels", path]
    if path.name == "images":
        places.append(path.parent / "labels")
    elif path.parent.name == "images":  # images/val with labels/val
        places.append(path.parent.parent / "labels" / path.name)
    return next((place for place in places if place.is_dir() and any(map(_is_label, place.rglob("*.txt")))), None)


def _label_files(folder: Path) -> list[Path]:
    return [file for file in files_below(folder, ".txt") if _is_label(file)]


def _is_label(file: Path) -> bool:
    return file.name.lower() not in NAME_FILES | _README and not file.name.startswith(".")


def _read(file: Path, image: Path) -> ImageLabels:
    rows = []
    for number_of, line in enumerate(read_text(file, _MAX_BYTES).splitlines(), 1):
        if line.strip():
            try:
                rows.append(_row(line))
            except ValueError as error:
                raise DataError(
                    f"this line is no YOLO label: {error}",
                    where=f"{file}:{number_of}",
                    why=f"the line is {line.strip()[:80]!r}",
                    todo="a line is: class cx cy width height, all but the class between 0 and 1",
                ) from None
    if not rows:
        return ImageLabels.of([], [])
    width, height = image_size(image)
    boxes = [(x1 * width, y1 * height, x2 * width, y2 * height) for _, (x1, y1, x2, y2) in rows]
    return ImageLabels.of(boxes, [class_id for class_id, _ in rows])


def _row(line: str) -> tuple[int, tuple[float, float, float, float]]:
    """Class id and relative corners, cut at the edge of the image; ValueError with the reason."""
    fields = line.split()
    if len(fields) != 5 and (len(fields) < 7 or len(fields) % 2 == 0):
        raise ValueError(f"it has {len(fields)} fields, not 5")
    class_id, values = number(fields[0]), [number(field) for field in fields[1:]]
    if class_id != int(class_id) or not 0 <= class_id <= _MAX_CLASS:
        raise ValueError(f"class {fields[0]} is not a whole number from 0")
    if len(values) == 4 and min(values[2:]) < 0:
        raise ValueError(f"the size {fields[3]} x {fields[4]} is negative")
    if min(values) < -_SLACK or max(values) > 1 + _SLACK:
        raise ValueError("the box lies outside 0..1; are these pixels?")
    if len(values) == 4:
        x, y, w, h = values
        corners = (x - w / 2, y - h / 2, x + w / 2, y + h / 2)
    else:
        corners = (min(values[::2]), min(values[1::2]), max(values[::2]), max(values[1::2]))
    x1, y1, x2, y2 = (min(max(value, 0.0), 1.0) for value in corners)
    return int(class_id), (x1, y1, x2, y2)
