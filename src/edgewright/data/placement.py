"""Where an image lies in a network's input."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Placement:
    """Where the image lies in the network input: network = image * scale + pad.

    Attributes:
        scale_x, scale_y: network pixels per image pixel.
        pad_x, pad_y: offset of the image's corner, network pixels.
        width, height: size of the image, pixels.
    """

    scale_x: float
    scale_y: float
    pad_x: float
    pad_y: float
    width: int
    height: int

    def boxes_to_image(self, xyxy: NDArray[np.float32], *, clip: bool = True) -> NDArray[np.float32]:
        """Boxes (n, 4) from network pixels to image pixels, cut at the image's border unless `clip` is false."""
        pad = np.array([self.pad_x, self.pad_y] * 2, np.float32)
        scale = np.array([self.scale_x, self.scale_y] * 2, np.float32)
        limit = np.array([self.width, self.height] * 2, np.float32)
        boxes = (xyxy - pad) / scale
        return np.asarray(np.clip(boxes, 0, limit) if clip else boxes, np.float32)

    def points_to_image(self, xy: NDArray[np.float32]) -> NDArray[np.float32]:
        """Points (n, 2) from network pixels to image pixels."""
        pad, scale = np.array([self.pad_x, self.pad_y]), np.array([self.scale_x, self.scale_y])
        return np.asarray((xy - pad) / scale, np.float32)


@dataclass(frozen=True)
class Area:
    """The part of the network input that an image is resized to; the rest is padding.

    Attributes:
        left, top, width, height: network pixels.
        placement: the same as a transformation.
    """

    left: int
    top: int
    width: int
    height: int
    placement: Placement
