"""Labelled scenes made from a seed: 1 to 8 objects of five classes on a cluttered background.

The same seed always gives the same scene, so that any image of the demo can be made again:
`make_scene(seed)`. NumPy and OpenCV only.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from demo.shapes import (
    CLASSES,
    Canvas,
    Mask,
    contours_of,
    draw_distractor,
    draw_line,
    draw_mask,
    fill,
    ramp,
    smooth_field,
    stripes,
)

WIDTH, HEIGHT = 640, 480  # pixels
SIDES = (32.0, 350.0)  # pixels, longer side of an object's whole box
MAX_OBJECTS = 8

_SHAPE = (HEIGHT, WIDTH)
_MIN_CONTRAST = 75.0  # BGR distance, 0..442, between an object's colour and what lies under it
_MIN_VISIBLE = 0.6  # no later object may hide more of an earlier one than leaves this part
_MIN_INSIDE = 0.7  # part of an object's box that lies in the image


@dataclass(frozen=True)
class Scene:
    """One image and its objects."""

    image: NDArray[np.uint8]  # (480, 640, 3), BGR
    boxes: NDArray[np.float32]  # (n, 4), x1 y1 x2 y2 in pixels, tight round the visible part
    labels: NDArray[np.int64]  # (n,), index into CLASSES


def make_scene(seed: int) -> Scene:
    """The scene that belongs to `seed`."""
    rng = np.random.default_rng(seed)
    canvas = _background(rng)
    for _ in range(int(rng.integers(2, 11))):
        draw_distractor(canvas, rng)
    owner = np.full(_SHAPE, -1, np.int8)  # which object each pixel shows, -1 for none
    labels: list[int] = []
    for _ in range(int(rng.integers(1, MAX_OBJECTS + 1))):
        label = int(rng.integers(len(CLASSES)))
        if _place(canvas, owner, len(labels), label, rng):
            labels.append(label)
    for _ in range(int(rng.integers(0, 4))):
        # Thin bars over everything: part of an object is hidden, its box stays what it was.
        ends = rng.uniform((0, 0), (WIDTH, HEIGHT), (2, 2))
        colour = tuple(float(value) for value in rng.uniform(0, 255, 3))
        draw_line(canvas, ends[0], ends[1], colour, int(rng.integers(1, 9)))
    image = _camera(canvas, rng)
    boxes = [_tight_box((owner == index).astype(np.uint8)) for index in range(len(labels))]
    return Scene(image, np.asarray(boxes, np.float32).reshape(-1, 4), np.asarray(labels, np.int64))


def _background(rng: np.random.Generator) -> Canvas:
    """Colour ramp plus smooth texture plus, at times, stripes: (480, 640, 3), 0..255."""
    ends = rng.uniform(10, 245, (2, 3)).astype(np.float32)
    blend = ramp(rng, _SHAPE)[..., None]
    canvas = ends[0] + blend * (ends[1] - ends[0])
    for cells in (int(rng.integers(3, 9)), int(rng.integers(16, 60))):
        tint = rng.uniform(-32, 32, 3).astype(np.float32)
        canvas += smooth_field(rng, _SHAPE, cells)[..., None] * tint
    if rng.random() < 0.4:
        tint = rng.uniform(-24, 24, 3).astype(np.float32)
        canvas += stripes(rng, _SHAPE, rng.uniform(10, 90))[..., None] * tint
    return np.ascontiguousarray(canvas, np.float32)


def _place(canvas: Canvas, owner: NDArray[np.int8], index: int, label: int, rng: np.random.Generator) -> bool:
    """Draw one object in place on `canvas` and `owner`; False where ten tries found no room."""
    for _ in range(10):
        side = float(np.exp(rng.uniform(*np.log(SIDES))))
        contours = contours_of(CLASSES[label], side, rng)
        half = contours[0].max(axis=0)
        centre = rng.uniform((0, 0), (WIDTH, HEIGHT))
        inside = np.minimum(centre + half, (WIDTH, HEIGHT)) - np.maximum(centre - half, 0)
        if float(np.prod(inside) / np.prod(2 * half)) < _MIN_INSIDE:
            continue
        mask = draw_mask([points + centre for points in contours], _SHAPE)
        covered = mask > 127
        if not _leaves_visible(owner, covered, index):
            continue
        _paint(canvas, mask, rng)
        owner[covered] = index
        return True
    return False


def _leaves_visible(owner: NDArray[np.int8], covered: NDArray[np.bool_], count: int) -> bool:
    """Whether each of the `count` objects so far would still show enough under `covered`."""
    if count == 0:
        return True
    before = np.bincount(owner[owner >= 0], minlength=count)
    hidden = owner[covered]
    after = before - np.bincount(hidden[hidden >= 0], minlength=count)
    return bool(np.all(after >= _MIN_VISIBLE * before))


def _paint(canvas: Canvas, mask: Mask, rng: np.random.Generator) -> None:
    """Blend one object of coverage `mask` into `canvas`, in place, with an outline at times."""
    x, y, width, height = cv2.boundingRect(mask)
    patch = canvas[y : y + height, x : x + width]
    alpha = mask[y : y + height, x : x + width, None].astype(np.float32) / 255
    under = patch.mean(axis=(0, 1))
    colour = rng.uniform(0, 255, 3)
    while float(np.linalg.norm(colour - under)) < _MIN_CONTRAST:
        colour = rng.uniform(0, 255, 3)
    paint = fill(rng, (height, width), colour)
    patch += alpha * rng.uniform(0.8, 1.0) * (paint - patch)
    if rng.random() < 0.3:
        edge = cv2.morphologyEx(mask[y : y + height, x : x + width], cv2.MORPH_GRADIENT, np.ones((3, 3), np.uint8))
        rim = edge[..., None].astype(np.float32) / 255 * alpha
        patch += rim * (rng.uniform(0, 255, 3).astype(np.float32) - patch)


def _camera(canvas: Canvas, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Uneven light, gamma, blur and noise; returns the uint8 BGR image (480, 640, 3)."""
    light = rng.uniform(0.6, 1.2) + rng.uniform(0, 0.3) * smooth_field(rng, _SHAPE, 3)
    unit = np.clip(canvas * (light[..., None] / 255), 0, 1)
    image = np.power(unit, np.float32(rng.uniform(0.75, 1.35))) * 255
    choice = rng.random()
    if choice < 0.4:
        image = cv2.GaussianBlur(image, (0, 0), float(rng.uniform(0.4, 1.8)))
    elif choice < 0.55:
        image = cv2.blur(image, (int(rng.integers(2, 7)), 1) if rng.random() < 0.5 else (1, int(rng.integers(2, 7))))
    # Half-resolution noise is what a demosaiced sensor gives; it also keeps the JPEG files small.
    noise = rng.standard_normal((HEIGHT // 2, WIDTH // 2, 3), dtype=np.float32) * np.float32(rng.uniform(0, 7))
    image = image + cv2.resize(noise, (WIDTH, HEIGHT), interpolation=cv2.INTER_LINEAR)
    return np.asarray(np.clip(np.round(image), 0, 255), np.uint8)


def _tight_box(mask: Mask) -> tuple[float, float, float, float]:
    """Tight x1 y1 x2 y2, in pixels, of the non-zero part of `mask`."""
    x, y, width, height = cv2.boundingRect(mask)
    return float(x), float(y), float(x + width), float(y + height)
