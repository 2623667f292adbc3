"""Results drawn on a copy of the image, sized to be readable on small and large images."""

from __future__ import annotations

import colorsys

import numpy as np
from numpy.typing import NDArray

from edgewright.tasks.detection.detections import Detections
from edgewright.tasks.keypoints.keypoints import Keypoints

Image = NDArray[np.uint8]
_GOLDEN = 0.61803398875  # steps of the golden ratio keep neighbouring class ids apart in hue
_REFERENCE_SIDE = 640.0  # pixels of the shorter side at which lines are two pixels wide
_MAX_TEXT = 48  # characters


def class_colour(class_id: int) -> tuple[int, int, int]:
    """BGR colour of a class, the same on every run."""
    red, green, blue = colorsys.hsv_to_rgb(class_id * _GOLDEN % 1.0, 0.85, 1.0)
    return round(blue * 255), round(green * 255), round(red * 255)


def draw_detections(image: Image, detections: Detections) -> Image:
    """A BGR copy of `image` with boxes, class names and scores; the best detection lies on top.

    Args:
        image: (height, width, 3) BGR or (height, width) gray, uint8.
        detections: in pixels of the image.
    """
    import cv2

    canvas = _bgr_copy(image)
    scale = _scale(canvas)
    thickness = max(1, round(2 * scale))
    order = np.argsort(detections.scores, kind="stable")
    limit = 4.0 * max(canvas.shape[:2])  # a box of a broken network may be too large for OpenCV's integers
    for place in order:
        box = detections.xyxy[place]
        if not np.isfinite(box).all():
            continue
        left, top, right, bottom = (round(float(value)) for value in np.clip(box, -limit, limit))
        class_id = int(detections.class_ids[place])
        colour = class_colour(class_id)
        cv2.rectangle(canvas, (left, top), (right, bottom), colour, thickness, cv2.LINE_AA)
        _label(canvas, f"{detections.name(class_id)} {detections.scores[place]:.2f}", left, top, colour, scale)
    return canvas


def draw_keypoints(image: Image, keypoints: Keypoints) -> Image:
    """A BGR copy of `image` with a dot for each keypoint, from red (weak) to green (strong)."""
    import cv2

    canvas = _bgr_copy(image)
    radius = max(1, round(2.5 * _scale(canvas)))
    strongest = float(keypoints.scores.max(initial=0.0))
    for (x, y), score in zip(keypoints.xy[::-1].tolist(), keypoints.scores[::-1].tolist(), strict=True):
        strength = float(score) / strongest if strongest > 0 else 0.0
        colour = (0, round(255 * strength), round(255 * (1 - strength)))
        cv2.circle(canvas, (round(x), round(y)), radius + 1, (0, 0, 0), cv2.FILLED, cv2.LINE_AA)
        cv2.circle(canvas, (round(x), round(y)), radius, colour, cv2.FILLED, cv2.LINE_AA)
    return canvas


def _label(canvas: Image, text: str, left: int, top: int, colour: tuple[int, int, int], scale: float) -> None:
    """Text on a filled bar above the corner, or inside the image where there is no room above."""
    import cv2

    text = text if len(text) <= _MAX_TEXT else text[: _MAX_TEXT - 3] + "..."
    font, size, thickness = cv2.FONT_HERSHEY_SIMPLEX, max(0.4, 0.5 * scale), max(1, round(scale))
    (width, height), base = cv2.getTextSize(text, font, size, thickness)
    bar = height + base + 2
    left = min(max(left, 0), max(canvas.shape[1] - width - 2, 0))
    bottom = min(max(top, bar), canvas.shape[0])
    cv2.rectangle(canvas, (left, bottom - bar), (left + width + 2, bottom), colour, cv2.FILLED)
    # dark text on bright bars, bright on dark ones: weights of luma in BT.601
    luma = 0.114 * colour[0] + 0.587 * colour[1] + 0.299 * colour[2]
    ink = (0, 0, 0) if luma > 110 else (255, 255, 255)
    cv2.putText(canvas, text, (left + 1, bottom - base), font, size, ink, thickness, cv2.LINE_AA)


def _bgr_copy(image: Image) -> Image:
    planes = image[:, :, None] if image.ndim == 2 else image
    return np.ascontiguousarray(np.repeat(planes, 3, axis=2) if planes.shape[2] == 1 else planes.copy())


def _scale(image: Image) -> float:
    return max(0.6, float(min(image.shape[:2])) / _REFERENCE_SIDE)
