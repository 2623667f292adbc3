# Runs on a Paddle environment's Python 3.11.
"""Control models in Paddle: built, run layer by layer, and exported as a user exports."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np


def control(arguments: dict[str, Any]) -> dict[str, Any]:
    """Export a control and run it without the inference engine: {"name", "inputs", "outputs", "program"} to {"files"}.

    `inputs` is an .npz of samples, `x_0` and so on; `outputs` gets `y_0` and so on.
    """
    paddle = importlib.import_module("paddle")
    paddle.seed(0)
    network = _NETWORKS[arguments["name"]](paddle)
    network.eval()
    with np.load(arguments["inputs"], allow_pickle=False) as arrays:
        samples = [arrays[f"x_{index}"] for index in range(len(arrays.files))]
    answers: dict[str, Any] = {
        f"y_{index}": network(paddle.to_tensor(values)).numpy() for index, values in enumerate(samples)
    }
    np.savez(arguments["outputs"], **answers)
    spec = paddle.static.InputSpec(list(samples[0].shape), "float32", "x")
    paddle.jit.save(network, arguments["program"], input_spec=[spec])
    return {"version": str(paddle.__version__)}


def _convolutions(paddle: Any) -> Any:
    """What every classifier has: Conv, BatchNorm, ReLU, HardSwish, a depthwise Conv, pooling, a matrix product."""
    nn = paddle.nn
    return nn.Sequential(
        nn.Conv2D(3, 16, 3, stride=2, padding=1),
        nn.BatchNorm2D(16),
        nn.ReLU(),
        nn.Conv2D(16, 16, 3, padding=1, groups=16),
        nn.Hardswish(),
        nn.AdaptiveAvgPool2D(1),
        nn.Flatten(),
        nn.Linear(16, 10),
        nn.Softmax(),
    )


def _upsampling(paddle: Any) -> Any:
    """What the neck of a detector has besides: Resize by a factor."""
    nn = paddle.nn
    return nn.Sequential(
        nn.Conv2D(3, 8, 3, stride=2, padding=1),
        nn.Swish(),
        nn.Upsample(scale_factor=2.0, mode="nearest"),
        nn.Conv2D(8, 4, 3, padding=1),
        nn.Sigmoid(),
    )


_NETWORKS = {"convolutions": _convolutions, "upsampling": _upsampling}


if __name__ == "__main__":
    from worker_side import main  # type: ignore[import-not-found]

    main({"control": control})
