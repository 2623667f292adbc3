"""The one value type of detection: boxes with scores and classes."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgewright.errors import UserError


def supervision_module() -> Any:
    """The package supervision.

    Raises:
        UserError: it is not installed.
    """
    try:
        return importlib.import_module("supervision")
    except ModuleNotFoundError as error:
        raise UserError(
            "this conversion needs the package supervision, which is not installed",
            why=str(error),
            todo="pip install supervision",
        ) from error


def check_columns(xyxy: NDArray[Any], scores: NDArray[Any], class_ids: NDArray[Any]) -> None:
    """Whether boxes, scores and classes belong together.

    Raises:
        ValueError: they do not have shapes (n, 4), (n,) and (n,), or are not floats, floats and integers.
    """
    if xyxy.ndim != 2 or xyxy.shape[1] != 4:
        raise ValueError(f"xyxy must be a 2-D array of shape (n, 4), but got shape {xyxy.shape}")
    wanted = (xyxy.shape[0],)
    if scores.shape != wanted or class_ids.shape != wanted:
        name, shape = ("scores", scores.shape) if scores.shape != wanted else ("class_ids", class_ids.shape)
        raise ValueError(f"{name} must have shape ({wanted[0]},) as xyxy has, but got shape {shape}")
    if xyxy.dtype.kind != "f" or scores.dtype.kind != "f" or class_ids.dtype.kind not in "iu":
        raise ValueError(
            "xyxy and scores must be floats and class_ids integers, "
            f"but got {xyxy.dtype}, {scores.dtype} and {class_ids.dtype}"
        )


@dataclass(frozen=True)
class Detections:
    """Detected objects of one image, best score first when they come from a predictor.

    Attributes:
        xyxy: corners, (n, 4) float32, pixels: left, top, right, bottom.
        scores: (n,) float32, 0..1.
        class_ids: (n,) int64, from 0.
        names: names of all classes, indexed by class id; empty when they are not known.
    """

    xyxy: NDArray[np.float32]
    scores: NDArray[np.float32]
    class_ids: NDArray[np.int64]
    names: Sequence[str] = field(default=(), compare=False)

    def __post_init__(self) -> None:
        check_columns(self.xyxy, self.scores, self.class_ids)

    @classmethod
    def empty(cls, names: Sequence[str] = ()) -> Detections:
        """No detection."""
        return cls(np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros(0, np.int64), names)

    def __len__(self) -> int:
        return len(self.xyxy)

    def __getitem__(self, index: Any) -> Detections:
        """Rows chosen by a slice, a mask or an index array."""
        return Detections(self.xyxy[index], self.scores[index], self.class_ids[index], self.names)

    def name(self, class_id: int) -> str:
        """Name of a class, or its number when names are not known."""
        return self.names[class_id] if 0 <= class_id < len(self.names) else str(class_id)

    def to_coco(self, image_id: int, categories: Sequence[int] | None = None) -> list[dict[str, Any]]:
        """Entries of a COCO results file: `image_id`, `category_id`, `bbox` (left, top, width, height), `score`.

        Source: the results format of COCO, https://cocodataset.org/#format-results.

        Args:
            image_id: number of the image in the labels.
            categories: category id of each class; None takes the class ids themselves.

        Raises:
            ValueError: a class has no category.
        """
        if categories is not None and len(self) and int(self.class_ids.max()) >= len(categories):
            raise ValueError(
                f"categories must have an entry for each class, but got {len(categories)} entries for class "
                f"{int(self.class_ids.max())}"
            )
        rows = zip(self.xyxy.tolist(), self.scores.tolist(), self.class_ids.tolist(), strict=True)
        return [
            {
                "image_id": image_id,
                "category_id": class_id if categories is None else int(categories[class_id]),
                "bbox": [left, top, right - left, bottom - top],
                "score": score,
            }
            for (left, top, right, bottom), score, class_id in rows
        ]

    def to_supervision(self) -> Any:
        """The same as `supervision.Detections`, with class names in `data["class_name"]` where they are known.

        Raises:
            UserError: the package supervision is not installed.
        """
        supervision = supervision_module()
        data = {"class_name": np.array([self.name(int(k)) for k in self.class_ids])} if self.names else {}
        return supervision.Detections(
            xyxy=self.xyxy.copy(), confidence=self.scores.copy(), class_id=self.class_ids.astype(int), data=data
        )

    def to_json(self) -> list[dict[str, Any]]:
        """One object a detection: `box` (xyxy, pixels), `score`, `class_id`, `name`."""
        return [
            {
                "box": [round(float(v), 2) for v in box],
                "score": round(float(score), 4),
                "class_id": int(class_id),
                "name": self.name(int(class_id)),
            }
            for box, score, class_id in zip(self.xyxy, self.scores, self.class_ids, strict=True)
        ]
