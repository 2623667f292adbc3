# Runs on a Paddle environment's Python 3.11.
"""PaddleDetection's preprocessing at deployment, step by step, to prove a contract on real images.

Written anew after the behaviour of its deploy/python/preprocess.py (release 2.6): what its users run beside Paddle
Inference. It must not share code with `edgewright.data.contract`, whose result is held against it.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from worker_side import main  # type: ignore[import-not-found]

Array = NDArray[Any]
Step = dict[str, Any]
_LETTERBOX_GRAY = 127.5


def preprocess(arguments: dict[str, Any]) -> dict[str, Any]:
    """{"images", "steps", "results"} to {"count"}.

    `images` is an .npz with BGR uint8 images `0`, `1`...; `steps` are those of `infer_cfg.yml`; `results` gets the
    network's input for each, with the batch axis.
    """
    made: dict[str, Array] = {}
    with np.load(arguments["images"], allow_pickle=False) as images:
        for name in images.files:
            made[name] = run_steps(images[name][:, :, ::-1], arguments["steps"])[None]
    np.savez(arguments["results"], **made)  # type: ignore[arg-type, unused-ignore]
    return {"count": len(made)}


def run_steps(rgb: Array, steps: list[Step]) -> Array:
    """One RGB image through the steps."""
    image = np.ascontiguousarray(rgb)
    for step in steps:
        image = _STEPS[step["type"]](image, step)
    return image


def _resize(image: Array, step: Step) -> Array:
    height, width = image.shape[:2]
    size = step["target_size"]
    high, wide = (size, size) if isinstance(size, int) else size
    if step.get("keep_ratio", True):
        short, long = min(height, width), max(height, width)
        factor = float(min(high, wide)) / short
        if np.round(factor * long) > max(high, wide):
            factor = float(max(high, wide)) / long
        across = down = factor
    else:
        across, down = wide / float(width), high / float(height)
    return np.asarray(cv2.resize(image, None, fx=across, fy=down, interpolation=step.get("interp", cv2.INTER_LINEAR)))


def _normalise(image: Array, step: Step) -> Array:
    image = image.astype(np.float32)
    if step.get("is_scale", True):
        image = image * np.float32(1.0 / 255.0)
    if step.get("norm_type", "mean_std") == "mean_std":
        image = (image - np.array(step["mean"], np.float32)) / np.array(step["std"], np.float32)
    return image


def _permute(image: Array, step: Step) -> Array:
    del step
    return np.ascontiguousarray(image.transpose(2, 0, 1))


def _pad_to_stride(image: Array, step: Step) -> Array:
    stride = int(step.get("stride") or step.get("pad_to_stride") or 0)
    if stride <= 0:
        return image
    channels, height, width = image.shape
    canvas = np.zeros((channels, -(-height // stride) * stride, -(-width // stride) * stride), np.float32)
    canvas[:, :height, :width] = image
    return canvas


def _pad(image: Array, step: Step) -> Array:
    high, wide = step["size"]
    canvas = np.empty((high, wide, image.shape[2]), np.float32)
    canvas[:] = np.array(step.get("fill_value", [114.0, 114.0, 114.0]), np.float32)
    canvas[: image.shape[0], : image.shape[1]] = image
    return canvas


def _letterbox(image: Array, step: Step) -> Array:
    height, width = image.shape[:2]
    size = step["target_size"]
    high, wide = (size, size) if isinstance(size, int) else size
    factor = min(float(high) / height, float(wide) / width)
    new_width, new_height = round(width * factor), round(height * factor)
    across, down = (wide - new_width) / 2, (high - new_height) / 2
    top, bottom = round(down - 0.1), round(down + 0.1)
    left, right = round(across - 0.1), round(across + 0.1)
    image = np.asarray(cv2.resize(image, (new_width, new_height), interpolation=cv2.INTER_AREA))
    colour = (_LETTERBOX_GRAY,) * 3
    return np.asarray(cv2.copyMakeBorder(image, top, bottom, left, right, cv2.BORDER_CONSTANT, value=colour))


_STEPS = {
    "Resize": _resize,
    "NormalizeImage": _normalise,
    "Permute": _permute,
    "PadStride": _pad_to_stride,
    "PadBatch": _pad_to_stride,
    "Pad": _pad,
    "LetterBoxResize": _letterbox,
}

if __name__ == "__main__":
    main({"preprocess": preprocess})
