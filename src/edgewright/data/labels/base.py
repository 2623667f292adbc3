"""What labels are, whatever the format, and what a format must do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from edgewright.errors import DataError
from edgewright.registry import Registry


@dataclass(frozen=True)
class ImageLabels:
    """Labelled objects of one image.

    Attributes:
        xyxy: corners, (n, 4) float32, pixels of the image as it is read.
        class_ids: (n,) int64, from 0.
        crowd: (n,) bool; objects that are neither to be found nor counted as wrong when found.
        area: (n,) float32, pixels; what the format says (COCO: of the mask), else width times height.
    """

    xyxy: NDArray[np.float32]
    class_ids: NDArray[np.int64]
    crowd: NDArray[np.bool_]
    area: NDArray[np.float32]

    def __post_init__(self) -> None:
        if self.xyxy.ndim != 2 or self.xyxy.shape[1] != 4:
            raise ValueError(f"xyxy must be a 2-D array of shape (n, 4), but got shape {self.xyxy.shape}")
        for name in ("class_ids", "crowd", "area"):
            shape = getattr(self, name).shape
            if shape != (len(self.xyxy),):
                raise ValueError(f"{name} must have shape ({len(self.xyxy)},) as xyxy has, but got shape {shape}")

    @classmethod
    def of(
        cls,
        boxes: Sequence[Sequence[float]],
        class_ids: Sequence[int],
        crowd: Sequence[bool] | None = None,
        area: Sequence[float] | None = None,
    ) -> ImageLabels:
        """Labels from plain lists; without `crowd` no object is one, without `area` it is width times height."""
        xyxy = np.asarray(boxes, np.float32).reshape(-1, 4)
        sides = xyxy[:, 2:] - xyxy[:, :2]
        return cls(
            xyxy,
            np.asarray(class_ids, np.int64),
            np.zeros(len(xyxy), bool) if crowd is None else np.asarray(crowd, bool),
            np.asarray(sides[:, 0] * sides[:, 1] if area is None else area, np.float32),
        )

    def __len__(self) -> int:
        return len(self.xyxy)


@dataclass(frozen=True)
class Labels:
    """Labels of a set of images.

    Attributes:
        source: the file or folder that they were read from.
        format: name of the format, an entry of `FORMATS`.
        images: by image file name (`Path.name`); every image whose objects are known, none counts as known too.
        names: class names by class id; empty when they are not known.
        unlabelled: file names of images for which no label file or entry was found. In YOLO form that means an image
            without objects, so these stand in `images` as well; in COCO and VOC form nothing is known of them.
        category_ids: COCO only: the file's category id of each class id. Class ids count the categories in the order of
            their ids, so that the 80 categories of COCO, numbered 1 to 90, become 0 to 79.
        ids_from_file: whether the class ids are the file's own. Otherwise they depend on which classes the file lists,
            and the number of classes must be the model's.
    """

    source: Path
    format: str
    images: Mapping[str, ImageLabels]
    names: tuple[str, ...] = ()
    unlabelled: tuple[str, ...] = ()
    category_ids: tuple[int, ...] = ()
    ids_from_file: bool = field(default=True)

    def of(self, image: Path | str) -> ImageLabels | None:
        """Labels of an image, by path or file name; None where nothing is known of it."""
        return self.images.get(Path(image).name)

    @property
    def count(self) -> int:
        """Number of labelled objects."""
        return sum(len(entry) for entry in self.images.values())

    def check_classes(self, nc: int) -> None:
        """Make sure that the labels speak of the classes of a model with `nc` classes.

        Raises:
            DataError: a class id is beyond the model's classes; or ids were counted from the file's own list of classes
                and the list has another length, so that they would silently mean other classes.
        """
        for name, entry in self.images.items():
            beyond = entry.class_ids[entry.class_ids >= nc]
            if len(beyond):
                raise DataError(
                    f"class {int(beyond[0])} is labelled, but the model has only classes 0 to {nc - 1}",
                    where=f"{self.source}, labels of {name}",
                    todo="use the labels that belong to this model",
                )
        if not self.ids_from_file and self.names and len(self.names) != nc:
            raise DataError(
                f"the labels have {len(self.names)} classes, the model has {nc}",
                where=str(self.source),
                why=f"ids are counted from this list: {', '.join(self.names[:8])}{', ...' * (len(self.names) > 8)}",
                todo="use labels that list all classes of the model, or give the class names in the model's order",
            )


class LabelFormat(Protocol):
    """One way of writing labels.

    Attributes:
        name: a short word.
        title: what messages call it.
        layout: what is looked for, for messages.
    """

    name: str
    title: str
    layout: str

    def accepts(self, path: Path) -> bool:
        """Whether `path` looks like this format; reads file names only."""

    def load(self, path: Path, images: Sequence[Path], names: Sequence[str]) -> Labels:
        """Labels of `images`.

        Args:
            path: what `accepts` said yes to.
            images: image files with different names.
            names: class names in the model's order; empty: as the labels have them.

        Raises:
            DataError: see `load_labels`.
        """


FORMATS: Registry[LabelFormat] = Registry("label format")
