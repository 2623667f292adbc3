"""The one value type of detection: boxes with scores and classes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray


def check_columns(xyxy: NDArray[Any], scores: NDArray[Any], class_ids: NDArray[Any]) -> None:
    """Whether boxes, scores and classes belong together.

    Raises:
        ValueError: they do not have shapes (n, 4), (n,) and (n,).
    """
    if xyxy.ndim != 2 or xyxy.shape[1] != 4:
        raise ValueError(f"xyxy must be a 2-D array of shape (n, 4), but got shape {xyxy.shape}")
    wanted = (xyxy.shape[0],)
    if scores.shape != wanted or class_ids.shape != wanted:
        name, shape = ("scores", scores.shape) if scores.shape != wanted else ("class_ids", class_ids.shape)
        raise ValueError(f"{name} must have shape ({wanted[0]},) as xyxy has, but got shape {shape}")


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
