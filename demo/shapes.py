"""Outlines, fills and clutter that `scenes.py` puts together. NumPy and OpenCV only."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

CLASSES: tuple[str, ...] = ("disc", "square", "triangle", "star", "ring")

Canvas = NDArray[np.float32]  # (height, width, 3), BGR, 0..255
Mask = NDArray[np.uint8]  # (height, width), 0..255 coverage
Points = NDArray[np.float64]  # (n, 2), x and y in pixels

_SUBPIXEL_BITS = 4


def _ngon(corners: int, radius: float = 1.0) -> Points:
    """`corners` points, (corners, 2), on a circle of `radius` round the origin."""
    angles = 2 * np.pi * np.arange(corners) / corners
    return radius * np.stack((np.cos(angles), np.sin(angles)), axis=1)


def _unit_contours(kind: str, rng: np.random.Generator) -> list[Points]:
    """Closed contours of a class about the origin, outer one first, outer radius 1."""
    if kind == "disc":
        return [_ngon(64)]
    if kind == "ring":
        return [_ngon(64), _ngon(64, float(rng.uniform(0.5, 0.75)))]
    if kind == "square":
        return [_ngon(4)]
    if kind == "triangle":
        return [_ngon(3)]
    star = _ngon(10)
    star[1::2] *= rng.uniform(0.4, 0.52)
    return [star]


def contours_of(kind: str, side: float, rng: np.random.Generator) -> list[Points]:
    """Contours of one turned and slightly squeezed object whose longer box side is `side` pixels.

    The box of the outer contour is centred on the origin, which keeps the placing simple.
    """
    angle, squeeze = rng.uniform(0, 2 * np.pi), rng.uniform(0.78, 1.0)
    axis = rng.uniform(0, np.pi)
    direction = np.array([np.cos(axis), np.sin(axis)])
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    matrix = (np.eye(2) - (1 - squeeze) * np.outer(direction, direction)) @ turn
    contours = [points @ matrix.T for points in _unit_contours(kind, rng)]
    low, high = contours[0].min(axis=0), contours[0].max(axis=0)
    scale = side / float((high - low).max())
    return [(points - (low + high) / 2) * scale for points in contours]


def draw_mask(contours: list[Points], shape: tuple[int, int]) -> Mask:
    """Anti-aliased coverage, `shape` = (height, width), of contours filled by the even-odd rule."""
    mask = np.zeros(shape, np.uint8)
    # 2 ** bits steps per pixel: without sub-pixel corners small objects jump to whole pixels.
    fixed = [np.round(points * 2**_SUBPIXEL_BITS).astype(np.int32) for points in contours]
    cv2.fillPoly(mask, fixed, (255,), lineType=cv2.LINE_AA, shift=_SUBPIXEL_BITS)
    return mask


def smooth_field(rng: np.random.Generator, shape: tuple[int, int], cells: int) -> NDArray[np.float32]:
    """Smooth random field, `shape` = (height, width), about -1..1, with `cells` knots a side."""
    knots = rng.uniform(-1, 1, (cells, cells)).astype(np.float32)
    return np.asarray(cv2.resize(knots, (shape[1], shape[0]), interpolation=cv2.INTER_CUBIC), np.float32)


def ramp(rng: np.random.Generator, shape: tuple[int, int]) -> NDArray[np.float32]:
    """Linear ramp 0..1 over (height, width) in a random direction."""
    angle = rng.uniform(0, 2 * np.pi)
    rows, columns = np.ogrid[: shape[0], : shape[1]]
    plane = columns * np.cos(angle) + rows * np.sin(angle)
    spread = float(plane.max() - plane.min())
    return np.asarray((plane - plane.min()) / max(spread, 1e-6), np.float32)


def stripes(rng: np.random.Generator, shape: tuple[int, int], period: float) -> NDArray[np.float32]:
    """Sine stripes -1..1 over (height, width) with `period` pixels, in a random direction."""
    diagonal = float(np.hypot(*shape))
    return np.asarray(np.sin(ramp(rng, shape) * (2 * np.pi * diagonal / period)), np.float32)


def fill(rng: np.random.Generator, shape: tuple[int, int], colour: NDArray[np.float64]) -> Canvas:
    """Paint for one object, (height, width, 3): flat, shaded, striped or mottled `colour` (BGR)."""
    paint: Canvas = np.broadcast_to(colour.astype(np.float32), (*shape, 3)).copy()
    style = rng.integers(4)
    if style == 1:
        paint += (60 * (ramp(rng, shape) - 0.5))[..., None]
    elif style == 2:
        paint += (rng.uniform(10, 35) * stripes(rng, shape, rng.uniform(6, 30)))[..., None]
    elif style == 3:
        paint += (rng.uniform(10, 30) * smooth_field(rng, shape, int(rng.integers(4, 9))))[..., None]
    return paint


def draw_distractor(canvas: Canvas, rng: np.random.Generator) -> None:
    """Draw in place one thing that belongs to no class: a line, an arc, a blob, a cross or a bar."""
    height, width = canvas.shape[:2]
    colour = tuple(float(value) for value in rng.uniform(0, 255, 3))
    centre = rng.uniform((0, 0), (width, height))
    kind = rng.integers(5)
    if kind == 0:
        end = rng.uniform((0, 0), (width, height))
        draw_line(canvas, centre, end, colour, int(rng.integers(1, 6)))
        return
    radius = float(np.exp(rng.uniform(np.log(8), np.log(90))))
    if kind == 1:
        start, sweep = rng.uniform(0, 360), rng.uniform(40, 160)
        axes = (int(radius) + 2, int(radius * rng.uniform(0.5, 1)) + 2)
        spot = (int(centre[0]), int(centre[1]))
        tilt, thickness = rng.uniform(0, 180), int(rng.integers(1, 6))
        cv2.ellipse(canvas, spot, axes, tilt, start, start + sweep, colour, thickness, cv2.LINE_AA)
        return
    mask = draw_mask([_distractor_outline(int(kind), rng) * radius + centre], (height, width))
    alpha = mask[..., None].astype(np.float32) / 255
    canvas += alpha * (np.asarray(colour, np.float32) - canvas)


def draw_line(canvas: Canvas, start: Points, end: Points, colour: tuple[float, ...], thickness: int) -> None:
    """Draw in place a straight line between two (2,) points in pixels."""
    ends = [(int(point[0]), int(point[1])) for point in (start, end)]
    cv2.line(canvas, ends[0], ends[1], colour, thickness, cv2.LINE_AA)


def _distractor_outline(kind: int, rng: np.random.Generator) -> Points:
    """Outline of about unit radius: 2 is a wavy blob, 3 a cross, 4 a long bar."""
    if kind == 2:
        angles = 2 * np.pi * np.arange(72) / 72
        # Lobes deep enough that no blob could pass for a disc.
        wave = 1 + 0.4 * np.sin(angles * rng.integers(2, 5) + rng.uniform(0, 6)) + 0.2 * np.sin(angles * 7)
        return _ngon(72) * (wave / 1.6)[:, None]
    angle = rng.uniform(0, np.pi)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    arm = float(rng.uniform(0.12, 0.3))
    if kind == 3:
        quarter = np.array([[1, -arm], [1, arm], [arm, arm]])
        corner = np.array([[0.0, -1.0], [1.0, 0.0]])
        cross = np.concatenate([quarter @ np.linalg.matrix_power(corner, step).T for step in range(4)])
        return np.asarray(cross @ turn.T, np.float64)
    bar = np.array([[-1, -arm], [1, -arm], [1, arm], [-1, arm]])
    return np.asarray(bar @ turn.T, np.float64)
