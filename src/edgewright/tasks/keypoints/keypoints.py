"""The one value type of keypoint tasks: points with scores and descriptors."""

from __future__ import annotations

import inspect
from typing import Any, Protocol, Union, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from edgewright.tasks.detection.detections import supervision_module


@runtime_checkable
class Later(Protocol):
    """Descriptors that are computed when somebody asks for them."""

    @property
    def shape(self) -> tuple[int, int]:
        """Shape of the array."""

    def __getitem__(self, index: Any) -> Later:
        """Rows chosen by a slice, a mask or an index array."""

    def compute(self) -> NDArray[np.float32]:
        """The array."""

    def kept(self) -> Later:
        """The same, reading from a copy of its own: what it reads from now will be overwritten."""


class Keypoints:
    """Keypoints of one image, best score first when they come from a predictor.

    Args:
        xy: positions, (n, 2) float32, pixels; the centre of the top left pixel is (0, 0).
        scores: (n,) float32, 0..1.
        descriptors: (n, d) float32, each of length 1; or what computes them on first use.

    Raises:
        ValueError: the shapes do not belong together.
    """

    __slots__ = ("_descriptors", "scores", "xy")

    def __init__(
        self,
        xy: NDArray[np.float32],
        scores: NDArray[np.float32],
        descriptors: Union[NDArray[np.float32], Later],  # noqa: UP007 - a Protocol is no operand of | in Python 3.10
    ) -> None:
        if xy.ndim != 2 or xy.shape[1] != 2:
            raise ValueError(f"xy must be a 2-D array of shape (n, 2), but got shape {xy.shape}")
        if scores.shape != (len(xy),):
            raise ValueError(f"scores must have shape ({len(xy)},) as xy has, but got shape {scores.shape}")
        shape = descriptors.shape
        if len(shape) != 2 or shape[0] != len(xy):
            raise ValueError(
                f"descriptors must be a 2-D array of shape ({len(xy)}, d) as xy has, but got shape {shape}"
            )
        self.xy, self.scores, self._descriptors = xy, scores, descriptors

    @property
    def descriptors(self) -> NDArray[np.float32]:
        """(n, d) float32, each of length 1. Computed on first use where the result came from a predictor."""
        if not isinstance(self._descriptors, np.ndarray):
            self._descriptors = self._descriptors.compute()
        return self._descriptors

    @property
    def ready(self) -> bool:
        """Whether the descriptors are computed."""
        return isinstance(self._descriptors, np.ndarray)

    @classmethod
    def empty(cls, size: int) -> Keypoints:
        """No keypoint, with descriptors of `size` entries."""
        return cls(np.zeros((0, 2), np.float32), np.zeros(0, np.float32), np.zeros((0, size), np.float32))

    def kept(self) -> Keypoints:
        """The same points, with descriptors that do not read from a buffer that will be overwritten."""
        later = self._descriptors
        return self if isinstance(later, np.ndarray) else Keypoints(self.xy, self.scores, later.kept())

    def moved(self, xy: NDArray[np.float32]) -> Keypoints:
        """The same points at other positions (n, 2)."""
        return Keypoints(xy, self.scores, self._descriptors)

    def __len__(self) -> int:
        return len(self.xy)

    def __repr__(self) -> str:
        return f"Keypoints({len(self)} points, descriptors of {self._descriptors.shape[1]} entries)"

    def __getitem__(self, index: Any) -> Keypoints:
        """Rows chosen by a slice, a mask or an index array."""
        return Keypoints(self.xy[index], self.scores[index], self._descriptors[index])

    def to_supervision(self) -> Any:
        """The same as `supervision.KeyPoints`: one object with n points and their scores; it has no descriptors.

        Raises:
            UserError: the package supervision is not installed.
        """
        supervision = supervision_module()
        # the argument has another name since supervision 0.29
        known = inspect.signature(supervision.KeyPoints).parameters
        scores = "keypoint_confidence" if "keypoint_confidence" in known else "confidence"
        # supervision counts keypoints by object: the points of an image are one object's
        return supervision.KeyPoints(xy=self.xy[None].copy(), **{scores: self.scores[None].copy()})

    def to_coco(self, image_id: int, category_id: int = 1) -> list[dict[str, Any]]:
        """One entry of a COCO results file: `keypoints` (x, y, 1 for each point) and `score`, the mean; empty for none.

        Args:
            image_id: number of the image in the labels.
            category_id: of the entry.
        """
        if not len(self):
            return []
        points = np.concatenate([self.xy.astype(np.float64), np.ones((len(self), 1))], axis=1)
        entry = {"image_id": image_id, "category_id": category_id, "keypoints": points.reshape(-1).tolist()}
        return [{**entry, "score": float(self.scores.mean())}]

    def to_json(self) -> list[dict[str, Any]]:
        """One object a keypoint: `point` (x, y, pixels) and `score`; descriptors are left out for their size."""
        return [
            {"point": [round(float(x), 2), round(float(y), 2)], "score": round(float(score), 4)}
            for (x, y), score in zip(self.xy, self.scores, strict=True)
        ]
