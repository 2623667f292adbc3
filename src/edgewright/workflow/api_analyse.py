"""The Python form of `edgewright analyse`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Any

from edgewright.errors import UserError
from edgewright.sources import is_folder_source
from edgewright.workflow.analyse import Analysed, run_analyse
from edgewright.workflow.given import recipe_in
from edgewright.workflow.progress import Progress
from edgewright.workflow.recipe import Recipe, load_recipe, make_recipe

AnyPath = str | PathLike[str]


def analyse(
    model: AnyPath,
    *,
    images: AnyPath | None = None,
    labels: AnyPath | None = None,
    calibration: AnyPath | None = None,
    target: str | None = None,
    task: str | None = None,
    precision: str | None = None,
    observer: str | None = None,
    contract: Mapping[str, Any] | None = None,
    input_shapes: Mapping[str, Sequence[int]] | None = None,
    channels: Sequence[str] = (),
    extract: str | None = None,
    against: str | None = None,
    out: AnyPath | None = None,
    progress: Progress | None = None,
) -> Analysed:
    """Say which tensors of the quantised network lose what, what that does to which output, and why.

    Args:
        model: an ONNX file, a Paddle export, or the run directory of a deploy, whose recipe gives what is None here.
        images: a folder of images to measure on; needed with an ONNX file.
        labels, calibration, task, contract, input_shapes: as `deploy`.
        target: `vendor/chip`; None: onnxruntime/cpu.
        precision: "int8" or "int16"; None: int8.
        observer: "minmax", "percentile", "percentile:99.9", "mse" or "entropy"; None: "minmax".
        channels: tensors or ops, as the user's file names them, whose channels are told apart.
        extract: tensor or op whose smallest failing piece is written into the run directory.
        against: another target, whose build of the same model is compared with this one's tensor by tensor.
        out: run directory; None: `model` if it is one, else `runs/MODEL-CHIP`.
        progress: what to report progress to.

    Returns:
        The analysis: `analysis`, `findings`, `page`, `extracted`...

    Raises:
        UserError: something that was given cannot be used.
        ToolchainError: a compiler or runtime failed.

    Example:
        >>> import edgewright as ew
        >>> found = ew.analyse("demo/detector.onnx", images="demo/images/evaluation")  # doctest: +SKIP
        >>> found.analysis.ranked()[0].source_ops  # doctest: +SKIP
        ('/head/Concat_3',)
    """
    given: dict[str, Any] = {
        "model": {"task": task, "input_shapes": None if input_shapes is None else dict(input_shapes)},
        "data": {name: _text(path) for name, path in (("images", images), ("labels", labels))},
        "target": target,
        "precision": None if precision is None else [precision],
        "contract": dict(contract or {}),
        "quantise": {"observer": observer},
    }
    given["data"]["calibration"] = _text(calibration)
    path = Path(model)
    recipe = _recipe(path, {key: _said(value) for key, value in given.items() if value is not None})
    place = path if out is None and _is_run(path) else None if out is None else Path(out)
    return run_analyse(recipe, place, progress, channels=channels, extract=extract, against=against)


def _is_run(path: Path) -> bool:
    return path.is_dir() and not is_folder_source(path)


def _recipe(path: Path, given: dict[str, Any]) -> Recipe:
    if _is_run(path):
        return load_recipe(recipe_in(path), given)
    if "images" not in given["data"]:
        raise UserError("images is missing", todo="name a folder of images to measure on")
    given["model"]["path"] = str(path)
    return make_recipe(given)


def _said(value: Any) -> Any:
    return {key: entry for key, entry in value.items() if entry is not None} if isinstance(value, dict) else value


def _text(path: AnyPath | None) -> str | None:
    return None if path is None else str(path)
