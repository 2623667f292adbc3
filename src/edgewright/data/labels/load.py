"""Reading labels of any known format."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from edgewright.data.labels import coco, voc, yolo
from edgewright.data.labels.base import FORMATS, Labels
from edgewright.errors import DataError

_FORMATS = (coco.FORMAT, yolo.FORMAT, voc.FORMAT)
for _format in _FORMATS:
    FORMATS.add(_format.name, _format)


def load_labels(path: str | Path, images: Sequence[Path], names: Sequence[str] = ()) -> Labels:
    """Labels of these images; the format is told by what lies at `path`.

    Args:
        path: a COCO .json file; a folder of YOLO .txt or VOC .xml files; the folder above `labels/` or `Annotations/`;
            or an `images/` folder with its labels beside it.
        images: image files; other images that the labels know are left out.
        names: class names in the model's order, to find classes by name in COCO and VOC labels.

    Raises:
        DataError: no labels there, or several formats; two images of one name; labels of other images; a malformed,
            oversized, deeply nested or non-UTF-8 file, with its line where there is one; a box that is none.
    """
    path = Path(path)
    if not path.exists():
        raise DataError(f"there is nothing at {path}", todo="check the path of the labels")
    _check_names(images)
    fitting = [entry for entry in FORMATS if entry.accepts(path)]
    if len(fitting) != 1:
        raise _unclear(path, [entry.title for entry in fitting])
    labels = fitting[0].load(path, images, names)
    if images and len(labels.unlabelled) == len(images):
        raise DataError(
            f"none of the {len(images)} images has labels here",
            where=str(path),
            why=f"{fitting[0].title} labels belong to an image by its file name; the first image is {images[0].name}",
            todo="pass the labels of these images",
        )
    return labels


def _check_names(images: Sequence[Path]) -> None:
    seen: dict[str, Path] = {}
    for image in images:
        other = seen.setdefault(image.name, image)
        if other is not image:
            raise DataError(
                f"two images are called {image.name}",
                where=f"{other} and {image}",
                why="labels and results are told apart by file name",
                todo="pass one folder of images at a time, or rename",
            )


def _unclear(path: Path, titles: list[str]) -> DataError:
    if titles:
        return DataError(
            f"these may be {' or '.join(titles)} labels",
            where=str(path),
            todo="name the file or the folder that holds one of them",
        )
    wanted = "; ".join(f"{entry.title}: {entry.layout}" for entry in FORMATS)
    return DataError("no labels of a known form are here", where=str(path), todo=f"known forms: {wanted}")
