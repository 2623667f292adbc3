"""The one value type of keypoint tasks: points with scores and descriptors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Keypoints:
    """Keypoints of one image, best score first when they come from a predictor.

    Attributes:
        xy: positions, (n, 2) float32, pixels; the centre of the top left pixel is (0, 0).
        scores: (n,) float32, 0..1.
        descriptors: (n, d) float32, each of length 1.
    """

    xy: NDArray[np.float32]
    scores: NDArray[np.float32]
    descriptors: NDArray[np.float32]

    def __post_init__(self) -> None:
        if self.xy.ndim != 2 or self.xy.shape[1] != 2:
            raise ValueError(f"xy must be a 2-D array of shape (n, 2), but got shape {self.xy.shape}")
        if self.scores.shape != (len(self.xy),):
            raise ValueError(f"scores must have shape ({len(self.xy)},) as xy has, but got shape {self.scores.shape}")
        if self.descriptors.ndim != 2 or len(self.descriptors) != len(self.xy):
            raise ValueError(
                f"descriptors must be a 2-D array of shape ({len(self.xy)}, d) as xy has, "
                f"but got shape {self.descriptors.shape}"
            )

    @classmethod
    def empty(cls, size: int) -> Keypoints:
        """No keypoint, with descriptors of `size` entries."""
        return cls(np.zeros((0, 2), np.float32), np.zeros(0, np.float32), np.zeros((0, size), np.float32))

    def __len__(self) -> int:
        return len(self.xy)

    def __getitem__(self, index: Any) -> Keypoints:
        """Rows chosen by a slice, a mask or an index array."""
        return Keypoints(self.xy[index], self.scores[index], self.descriptors[index])

    def to_json(self) -> list[dict[str, Any]]:
        """One object a keypoint: `point` (x, y, pixels) and `score`; descriptors are left out for their size."""
        return [
            {"point": [round(float(x), 2), round(float(y), 2)], "score": round(float(score), 4)}
            for (x, y), score in zip(self.xy, self.scores, strict=True)
        ]
