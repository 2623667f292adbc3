"""A control model of our own: Paddle Lite reads no ONNX, and Paddle is not there to make one.

`control/small-network.*` was exported with PaddlePaddle 2.6.2 (random weights): convolutions plain,
depthwise and 1x1, swish, hard_swish, hard_sigmoid, a matrix product, softmax. The .npz holds pictures and what Paddle
Inference, without oneDNN, computed of them.
"""

from __future__ import annotations

import importlib.resources
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx_ir as ir

from edgewright.errors import UserError
from edgewright.graph.model import Model
from edgewright.graph.origin import Origin
from edgewright.targets.artifact import Artifact
from edgewright.targets.backend import Session

CONTROLS = ("small-network",)
_PARTS = ("probabilities", "features")
_PADDLE_OUTPUTS = ("save_infer_model/scale_0.tmp_0", "save_infer_model/scale_1.tmp_0")
_SHAPES: Mapping[str, tuple[int, ...]] = {
    "image": (1, 3, 32, 32),
    "probabilities": (1, 5),
    "features": (1, 12, 16, 16),
}


def control_model() -> tuple[Origin, Model]:
    """The control's files, and an ONNX model that has its boundary and nothing else."""
    folder = _folder()
    origin = Origin(
        framework="paddle",
        version="2.6.2",
        program=folder / "small-network.pdmodel",
        weights=folder / "small-network.pdiparams",
        inputs=("image",),
        outputs=_PADDLE_OUTPUTS,
    )
    values = {name: _value(name, shape) for name, shape in _SHAPES.items()}
    graph = ir.Graph([values["image"]], [values[part] for part in _PARTS], nodes=[], opset_imports={"": 13}, name="c")
    return origin, Model(ir.Model(graph, ir_version=8))


def run_control(
    name: str,
    folder: Path,
    build: Callable[[Origin, Model, str, Path], Artifact],
    open_artifact: Callable[[Artifact], Session],
) -> dict[str, float | None]:
    """Build and run a control; relative L2 by part against Paddle Inference, None where not finite.

    Raises:
        UserError: there is no such control.
        ToolchainError: the toolchain failed.
    """
    if name not in CONTROLS:
        raise UserError(f"there is no control model {name!r}", todo=f"known: {', '.join(CONTROLS)}")
    origin, model = control_model()
    with np.load(_folder() / f"{name}.npz", allow_pickle=False) as arrays:
        images, expected = arrays["images"], {part: arrays[part] for part in _PARTS}
    feeds = ({"image": image[None].astype(np.float32) / np.float32(127.5) - np.float32(1)} for image in images)
    with open_artifact(build(origin, model, "float", folder)) as session:
        found = list(session.run_many(feeds))
    return {part: _error(expected[part], [outputs[part] for outputs in found]) for part in _PARTS}


def _error(expected: Any, found: Iterable[Any]) -> float | None:
    stacked = np.stack([np.asarray(one, np.float64).ravel() for one in found])
    reference = np.asarray(expected, np.float64).reshape(stacked.shape)
    error = float(np.linalg.norm(stacked - reference) / np.linalg.norm(reference))
    return error if np.isfinite(error) else None


def _value(name: str, shape: tuple[int, ...]) -> ir.Value:
    return ir.Value(name=name, type=ir.TensorType(ir.DataType.FLOAT), shape=ir.Shape(shape))


def _folder() -> Path:
    return Path(str(importlib.resources.files("edgewright"))) / "targets" / "paddlelite" / "control"
