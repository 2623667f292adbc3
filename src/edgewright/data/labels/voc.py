"""Pascal VOC labels: one .xml file an image. Source: "The PASCAL VOC 2012 Development Kit", annotation files.

Coordinates count pixels from 1 and include the last one, so a box covers xmin - 1 to xmax. Objects marked as difficult
are neither to be found nor counted as wrong when found: they are marked `crowd`. Class ids follow `names` where given,
a classes.txt beside the labels, else the alphabetical order of the names found in the files of the folder.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from xml.etree.ElementTree import Element

from edgewright.data.labels.base import ImageLabels, Labels
from edgewright.data.labels.class_names import find_class_names
from edgewright.data.labels.reading import by_name, file_of, files_below, number, read_text
from edgewright.data.labels.safe_xml import parse_xml
from edgewright.data.labels.sizes import image_size
from edgewright.errors import DataError

_MAX_BYTES = 8 << 20


class VocFormat:
    """A folder of .xml files."""

    name = "voc"
    title = "Pascal VOC"
    layout = "a folder of .xml files, one for each image, or the folder above Annotations/"

    def accepts(self, path: Path) -> bool:
        """A folder with .xml files in it or in its `Annotations/` or `labels/`."""
        return path.is_dir() and _root(path) is not None

    def load(self, path: Path, images: Sequence[Path], names: Sequence[str]) -> Labels:
        """Labels of `images`; see `LabelFormat`."""
        root = _root(path)
        if root is None:
            raise ValueError(f"{path} holds no VOC labels")
        files: dict[str, list[Path]] = {}
        for file in files_below(root, ".xml"):
            files.setdefault(file.stem, []).append(file)
        chosen = {image: own for image in images if (own := file_of(image, files.get(image.stem, []))) is not None}
        listed = tuple(names) or find_class_names(root)
        # without a list of classes the ids depend on all files of the folder, not only on those of these images
        wanted = list(chosen.values()) if listed else [file for same in files.values() for file in same]
        trees = {file: parse_xml(read_text(file, _MAX_BYTES), file) for file in wanted}
        present = sorted({_text(item, "name", file) for file, tree in trees.items() for item in tree.iter("object")})
        order = listed or tuple(present)
        ids = by_name(order, present, root)
        found = {}
        for image, file in chosen.items():
            _check_size(trees[file], image, file)
            found[image.name] = _labels(trees[file], ids, file)
        missing = tuple(image.name for image in images if image.name not in found)
        return Labels(path, self.name, found, order, missing, ids_from_file=bool(names))


FORMAT = VocFormat()


def _root(path: Path) -> Path | None:
    places = [path, path / "Annotations", path / "labels"]
    return next((place for place in places if place.is_dir() and any(place.glob("*.xml"))), None)


def _labels(tree: Element, ids: dict[str, int], file: Path) -> ImageLabels:
    boxes, class_ids, difficult = [], [], []
    for item in tree.iter("object"):
        box = item.find("bndbox")
        if box is None:
            raise DataError("an object has no bndbox", where=str(file))
        x1, y1, x2, y2 = (_number(box, side, file) for side in ("xmin", "ymin", "xmax", "ymax"))
        if x2 < x1 or y2 < y1:
            raise DataError(f"a box has a negative size: {x1:g}, {y1:g} to {x2:g}, {y2:g}", where=str(file))
        boxes.append((max(x1 - 1, 0.0), max(y1 - 1, 0.0), x2, y2))
        class_ids.append(ids[_text(item, "name", file)])
        difficult.append((item.findtext("difficult") or "0").strip() == "1")
    return ImageLabels.of(boxes, class_ids, difficult)


def _check_size(tree: Element, image: Path, file: Path) -> None:
    size = tree.find("size")
    said = (0.0, 0.0) if size is None else (_number(size, "width", file), _number(size, "height", file))
    # labelling tools write 0 where they do not know
    if 0.0 not in said and said != image_size(image):
        real = image_size(image)
        raise DataError(
            f"{image.name} has {real[0]} x {real[1]} pixels, but was labelled at {said[0]:g} x {said[1]:g}",
            where=str(file),
            todo="use the images that were labelled (not resized, not turned by Exif data)",
        )


def _text(parent: Element, tag: str, file: Path) -> str:
    text = (parent.findtext(tag) or "").strip()
    if not text:
        raise DataError(f"an {parent.tag} has no {tag}", where=str(file))
    return text


def _number(parent: Element, tag: str, file: Path) -> float:
    text = _text(parent, tag, file)
    try:
        return number(text)
    except ValueError:
        raise DataError(f"{tag} is no number: {text[:40]!r}", where=str(file)) from None
