"""Scenes put into a network's input: moved, scaled, mirrored and recoloured at random. NumPy and OpenCV only."""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass

import cv2
import numpy as np

from demo.scenes import HEIGHT, WIDTH, Scene, make_scene

PAD = 114  # grey of the letterbox
_MIN_KEPT = 0.35  # part of a box that must stay in the frame for the object to be asked for
_MIN_SIDE = 5.0  # pixels; what is smaller than this after scaling cannot be told from noise


@dataclass(frozen=True)
class Frame:
    """How scenes are put into the network's input."""

    side: int  # pixels, of the square input
    scales: tuple[float, float]  # input pixels per scene pixel along x, least and most
    shift: float  # largest move off the centre, as part of `side`
    stretch: float = 1.0  # scale along y by scale along x: 1 keeps the aspect ratio


def make_scenes(first_seed: int, count: int, processes: int) -> list[Scene]:
    """Scenes of the seeds `first_seed` and on; the same for any number of processes."""
    seeds = range(first_seed, first_seed + count)
    with ProcessPoolExecutor(processes) as pool:
        return list(pool.map(make_scene, seeds, chunksize=16))


def place(scene: Scene, frame: Frame, rng: np.random.Generator) -> Scene:
    """The scene in a (side, side, 3) frame, with its boxes moved along."""
    scale = float(np.exp(rng.uniform(*np.log(frame.scales)))) * np.array([1.0, frame.stretch])
    corner = (frame.side - scale * np.array([WIDTH, HEIGHT])) / 2
    corner += rng.uniform(-frame.shift, frame.shift, 2) * frame.side
    # The half pixels keep pixel centres where cv2.resize, used when the detector runs, puts them.
    offset = corner + (scale - 1) / 2
    matrix = np.array([[scale[0], 0, offset[0]], [0, scale[1], offset[1]]])
    image = cv2.warpAffine(
        scene.image, matrix, (frame.side, frame.side), flags=cv2.INTER_LINEAR, borderValue=(PAD, PAD, PAD)
    )
    whole = scene.boxes * np.tile(scale, 2) + np.tile(corner, 2)
    boxes = whole.clip(0, frame.side)
    area = (whole[:, 2:] - whole[:, :2]).prod(1)
    size = boxes[:, 2:] - boxes[:, :2]
    kept = (size.prod(1) >= _MIN_KEPT * area) & (size.min(1) >= _MIN_SIDE)
    return Scene(np.asarray(image, np.uint8), boxes[kept].astype(np.float32), scene.labels[kept])


def vary(scene: Scene, rng: np.random.Generator) -> Scene:
    """Mirror a square scene, swap its axes and its colour channels, and change its brightness."""
    image, boxes = scene.image, scene.boxes.copy()
    side = image.shape[0]
    if rng.random() < 0.5:
        image, boxes = image[:, ::-1], np.stack((side - boxes[:, 2], boxes[:, 1], side - boxes[:, 0], boxes[:, 3]), 1)
    if rng.random() < 0.5:
        image, boxes = image[::-1], np.stack((boxes[:, 0], side - boxes[:, 3], boxes[:, 2], side - boxes[:, 1]), 1)
    if rng.random() < 0.3:
        image, boxes = image.transpose(1, 0, 2), boxes[:, [1, 0, 3, 2]]
    image = image[..., rng.permutation(3)]
    table = np.clip(np.arange(256) * rng.uniform(0.75, 1.25) + rng.uniform(-15, 15), 0, 255).astype(np.uint8)
    return Scene(np.ascontiguousarray(table[image]), boxes, scene.labels)
