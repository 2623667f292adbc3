"""Images as PaddleDetection's own steps prepare them, in Paddle's environment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgewright.targets.paddle.process import call_worker, paddle_environment


def as_paddle_prepares(
    version: str, images: Sequence[NDArray[np.uint8]], steps: Sequence[Mapping[str, Any]], folder: Path
) -> list[NDArray[Any]]:
    """The network's input for each image, by the steps of `infer_cfg.yml`.

    Args:
        images: BGR, uint8.
        folder: to work in.

    Raises:
        ToolchainMissing, WorkerFailed: that Paddle is not installed, or its OpenCV refuses an image.
    """
    folder.mkdir(parents=True, exist_ok=True)
    named = {str(index): np.ascontiguousarray(image) for index, image in enumerate(images)}
    np.savez(folder / "images.npz", **named)  # type: ignore[arg-type, unused-ignore]
    arguments = {"images": "images.npz", "steps": list(steps), "results": "tensors.npz"}
    call_worker(paddle_environment(version), "preprocess", arguments, folder)
    with np.load(folder / "tensors.npz", allow_pickle=False) as tensors:
        return [np.asarray(tensors[str(index)]) for index in range(len(images))]
