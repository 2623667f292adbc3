"""Tiny models and images, so that a whole deploy takes about a second."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np

from edgewright.graph.model import Model
from tests.helpers import model_from_text, normal

SIDE, CELL, CLASSES = 32, 8, 3
_COLOURS = ((255, 0, 0), (0, 255, 0), (0, 0, 255))  # RGB of classes 0, 1, 2


def detector(*, height: str = "32", width: str = "32", wide: bool = False) -> Model:
    """A YOLOv8-type head on a 32x32 input that finds squares of pure red, green or blue on the grid of stride 8.

    Args:
        height, width: dimensions of the input as the file declares them; a word makes them dynamic.
        wide: the coarsest cell writes boxes a hundred times as large as the image, with no score. Joined with the
            scores on one 8-bit grid, these boxes leave no room for any score.
    """
    origins = [(x, y, stride) for stride in (8, 16, 32) for y in range(SIDE // stride) for x in range(SIDE // stride)]
    centres = np.array([[x + 0.5 for x, _, _ in origins], [y + 0.5 for _, y, _ in origins]], np.float32)
    strides = np.array([stride for *_, stride in origins], np.float32)
    if wide:
        strides[-1] *= 100
    colours = np.full((CLASSES, 3, 1, 1), -16.0, np.float32) + 32 * np.eye(3, dtype=np.float32).reshape(3, 3, 1, 1)
    lines = []
    for level, size in enumerate((8, 16, 32)):
        lines.append(f"""
            p{level} = AveragePool <kernel_shape = [{size},{size}], strides = [{size},{size}]> (f)
            b{level} = Conv (p{level}, wb, bb)
            s{level} = Conv (p{level}, wc, {"bc" if level == 0 else "never"})
            b{level}r = Reshape (b{level}, four)
            s{level}r = Reshape (s{level}, classes)""")
    return model_from_text(
        f"""
        <ir_version: 8, opset_import: ["" : 17]>
        mini (float[1,3,{height},{width}] picture) => (float[1,7,21] answer)
        <int64[3] four = {{1, 4, -1}}, int64[3] classes = {{1, 3, -1}}>
        {{
            c = Conv <pads = [1,1,1,1]> (picture, w0)
            f = Relu (c) {"".join(lines)}
            offsets = Concat <axis = 2> (b0r, b1r, b2r)
            moved = Add (offsets, centres)
            boxes = Mul (moved, strides)
            logits = Concat <axis = 2> (s0r, s1r, s2r)
            scores = Sigmoid (logits)
            answer = Concat <axis = 1> (boxes, scores)
        }}
        """,
        w0=_nearly_identity(),
        wb=normal(4, 3, 1, 1, scale=0.01),
        bb=np.array([0, 0, 1, 1], np.float32),
        wc=colours,
        bc=np.full(CLASSES, -8, np.float32),
        never=np.full(CLASSES, -30, np.float32),
        centres=np.concatenate([centres, np.zeros_like(centres)])[None],
        strides=strides[None, None],
    )


def maps(channels: int = 3, *, name: str = "image", body: str = "", out: str = "1,2,8,8") -> Model:
    """A model whose head nobody knows, on 1 x channels x 8 x 8; `body` makes `scores` from `a`."""
    return model_from_text(
        f"""
        <ir_version: 8, opset_import: ["" : 17]>
        small (float[1,{channels},8,8] {name}) => (float[{out}] scores) {{
            a = Conv <pads = [1,1,1,1]> ({name}, w1)
            {body or "scores = Sigmoid (a)"}
        }}
        """,
        w1=normal(2, channels, 3, 3),
        zero=np.zeros((1, 2, 8, 8), np.float32),
    )


def keypoints() -> Model:
    """A SuperPoint-type head with random weights on 1x1x32x40."""
    return model_from_text(
        """
        <ir_version: 8, opset_import: ["" : 17]>
        points (float[1,1,32,40] gray) => (float[1,65,4,5] semi, float[1,16,4,5] desc) {
            f = Conv <strides = [8,8]> (gray, w1)
            r = Relu (f)
            semi = Conv (r, w2)
            desc = Conv (r, w3)
        }
        """,
        w1=normal(8, 1, 8, 8, scale=0.2),
        w2=normal(65, 8, 1, 1),
        w3=normal(16, 8, 1, 1),
    )


def write_images(folder: Path, count: int, *, seed: int = 0, suffix: str = ".png") -> Path:
    """Images of 64 x 64 with two squares each, and beside the folder their labels `FOLDER.json` in COCO form."""
    folder.mkdir(parents=True)
    generator = np.random.default_rng(seed)
    images, annotations = [], []
    for number in range(count):
        picture = generator.integers(0, 40, (64, 64, 3), np.uint8)
        cells = generator.choice(16, 2, replace=False)
        for cell in cells:
            colour = int(generator.integers(CLASSES))
            x, y = 16 * int(cell % 4), 16 * int(cell // 4)
            picture[y : y + 16, x : x + 16] = _COLOURS[colour]
            box = {"id": len(annotations) + 1, "image_id": number, "category_id": colour, "bbox": [x, y, 16, 16]}
            annotations.append({**box, "area": 256, "iscrowd": 0})
        name = f"{seed}-{number:03d}{suffix}"
        cv2.imwrite(str(folder / name), picture[:, :, ::-1])
        images.append({"id": number, "file_name": name, "width": 64, "height": 64})
    categories = [{"id": number, "name": name} for number, name in enumerate(("red", "green", "blue"))]
    labels = {"images": images, "annotations": annotations, "categories": categories}
    folder.with_suffix(".json").write_text(json.dumps(labels), encoding="utf-8")
    return folder


def _nearly_identity() -> np.ndarray:
    """Every channel by itself, with a little of its neighbourhood: weights that are worth a scale per channel."""
    kernel = normal(3, 3, 3, 3, scale=0.01)
    kernel[range(3), range(3), 1, 1] = 1.0
    return kernel
