# Runs on a Paddle environment's Python 3.11.
"""Small models, exported as a user exports them, with what the same layers compute one by one.

Usage: PYTHON exports.py FOLDER. Of each: NAME.pdmodel or .json, NAME.pdiparams, NAME.npz (`x`, `y`, more inputs
by name). A model that this version refuses to export is left out, with the reason in NAME.txt.
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any

import numpy as np

FOLDER = Path(sys.argv[1])
paddle = importlib.import_module("paddle")
nn = paddle.nn


class Neck(nn.Layer):  # type: ignore[name-defined,misc]
    """A convolution, a Resize by a factor as every detector has, and another convolution."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2D(3, 4, 3, padding=1), nn.Conv2D(4, 4, 3, padding=1)

    def forward(self, x: Any) -> Any:
        larger = nn.functional.interpolate(self.first(x), scale_factor=2.0, mode="nearest")
        return self.second(larger)


class Classifier(nn.Layer):  # type: ignore[name-defined,misc]
    """For one sample only: its Reshape has a fixed batch."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = nn.Conv2D(3, 4, 3, padding=1), nn.Linear(256, 5)

    def forward(self, x: Any) -> Any:
        return self.last(paddle.reshape(nn.functional.relu(self.first(x)), [1, 256]))


class Scaled(nn.Layer):  # type: ignore[name-defined,misc]
    """With a second input, as detectors have `scale_factor`."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2D(3, 2, 1)

    def forward(self, x: Any, scale_factor: Any) -> Any:
        return self.first(x) / paddle.reshape(scale_factor, [1, 2, 1, 1])


class Half(nn.Layer):  # type: ignore[name-defined,misc]
    """In float16."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2D(3, 4, 3, padding=1)
        self.to(dtype="float16")

    def forward(self, x: Any) -> Any:
        return paddle.cast(self.first(paddle.cast(x, "float16")), "float32")


class Masked(nn.Layer):  # type: ignore[name-defined,misc]
    """With an op that computes on a GPU only."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2D(3, 1, 1)

    def forward(self, x: Any) -> Any:
        return paddle.incubate.softmax_mask_fuse_upper_triangle(self.first(x))


def export(name: str, network: Any, more: dict[str, Any]) -> None:
    network.eval()
    feeds = {"x": np.random.default_rng(0).random((1, 3, 8, 8), np.float32), **more}
    arrays: dict[str, Any] = dict(feeds)
    try:
        arrays["y"] = network(*map(paddle.to_tensor, feeds.values())).numpy()
    except Exception as error:  # noqa: BLE001 - of a model that is there to fail
        (FOLDER / f"{name}.txt").write_text(str(error), encoding="utf-8")
    specs = [paddle.static.InputSpec(list(values.shape), "float32", key) for key, values in feeds.items()]
    try:
        paddle.jit.save(network, str(FOLDER / name), input_spec=specs)
    except Exception as error:  # noqa: BLE001
        (FOLDER / f"{name}.txt").write_text(str(error), encoding="utf-8")
        return
    np.savez(FOLDER / f"{name}.npz", **arrays)


if __name__ == "__main__":
    paddle.seed(0)
    for name, network in (("neck", Neck()), ("classifier", Classifier()), ("half", Half()), ("masked", Masked())):
        export(name, network, {})
    export("scaled", Scaled(), {"scale_factor": np.array([[2.0, 4.0]], np.float32)})
