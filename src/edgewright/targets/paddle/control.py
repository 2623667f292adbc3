"""Control models in Paddle: small networks that tell a broken Paddle from a broken model."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgewright.errors import ToolchainError, UserError
from edgewright.targets.paddle.files import JSON
from edgewright.targets.paddle.inference import run_inference
from edgewright.targets.paddle.process import call_worker, paddle_environment

CONTROLS: Mapping[str, str] = {
    "convolutions": "logits",
    "upsampling": "map",
}
"""Control, and what its output is called; `worker/control.py` builds them."""
_SAMPLES, _SIZE = 4, 32
_PROGRAM = "control"


def run_control(name: str, version: str, folder: Path) -> dict[str, float | None]:
    """Export a control with a version of Paddle and run it by default.

    Returns:
        Relative L2 of its output against the same layers run one by one.

    Args:
        name: of `CONTROLS`.
        folder: to work in.

    Raises:
        UserError: there is no such control.
        ToolchainMissing: this Paddle is not installed.
        WorkerFailed: Paddle fails.
    """
    if name not in CONTROLS:
        raise UserError(f"there is no control {name!r} in Paddle", todo=f"known: {', '.join(CONTROLS)}")
    random = np.random.default_rng(2)
    samples = [random.random((1, 3, _SIZE, _SIZE), np.float32) for _ in range(_SAMPLES)]
    arrays: dict[str, Any] = {f"x_{index}": values for index, values in enumerate(samples)}
    folder.mkdir(parents=True, exist_ok=True)
    np.savez(folder / "inputs.npz", **arrays)
    arguments = {"name": name, "inputs": "inputs.npz", "outputs": "outputs.npz", "program": _PROGRAM}
    call_worker(paddle_environment(version), "control", arguments, folder)
    told = run_inference(
        _program(folder),
        folder / f"{_PROGRAM}.pdiparams",
        [{"x": values} for values in samples],
        version=version,
        folder=folder / "run",
    )
    with np.load(folder / "outputs.npz", allow_pickle=False) as expected:
        wanted = np.stack([expected[f"y_{index}"] for index in range(_SAMPLES)])
    found = np.stack([next(iter(outputs.values())) for outputs in told.outputs])
    return {CONTROLS[name]: _relative_l2(found, wanted)}


def _program(folder: Path) -> Path:
    for path in (folder / f"{_PROGRAM}{JSON}", folder / f"{_PROGRAM}.pdmodel"):
        if path.is_file():
            return path
    raise ToolchainError("Paddle exported a control, but left no program", where=str(folder))


def _relative_l2(found: NDArray[Any], wanted: NDArray[Any]) -> float | None:
    """|found - wanted| / |wanted|; None where a value is not finite or the shape is another."""
    if found.shape != wanted.shape or not np.isfinite(found).all():
        return None
    return float(np.linalg.norm(found - wanted) / max(float(np.linalg.norm(wanted)), 1e-30))
