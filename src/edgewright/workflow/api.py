"""The Python form of `edgewright deploy`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Any

from edgewright.workflow.deploy import Run, run_deploy
from edgewright.workflow.progress import Progress
from edgewright.workflow.recipe import load_recipe, make_recipe

AnyPath = str | PathLike[str]


def deploy(
    model: AnyPath,
    *,
    images: AnyPath,
    labels: AnyPath | None = None,
    calibration: AnyPath | None = None,
    target: str = "onnxruntime/cpu",
    task: str | None = None,
    precision: str | Sequence[str] = "int8",
    max_drop: float | None = None,
    repair: bool = True,
    observer: str | None = None,
    contract: Mapping[str, Any] | None = None,
    input_shapes: Mapping[str, Sequence[int]] | None = None,
    skip_prepare: Sequence[str] = (),
    allow_skip: bool = False,
    out: AnyPath | None = None,
    progress: Progress | None = None,
) -> Run:
    """Take a trained model to a target and prove that the target computes what was trained.

    Args:
        model: an ONNX file.
        images: a folder of images to measure on.
        labels: their labels: a COCO JSON file, or a folder of YOLO or Pascal VOC files. Without labels the float
            model's own detections are the ground truth.
        calibration: a folder of other images to calibrate on; without it every other image of `images` is taken.
        target: `vendor/chip`; see `target_names`.
        task: head family, to overrule recognition; "tensors" compares outputs only.
        precision: "float", "int8", "int16", or several in order of preference ("int8,float").
        max_drop: allowed drop of the task metric in points; None: 1.0 with labels, 5.0 without.
        repair: whether to mend a variant that falls short.
        observer: "minmax", "percentile", "percentile:99.9", "mse" or "entropy"; None takes "minmax" and tries others
            when the result falls short.
        contract: parts of the preprocessing contract that differ from the family's preset (`colour`, `resize`, `mean`,
            `std`, `pad_value`, `interpolation`).
        input_shapes: static shapes of inputs that the model leaves open.
        skip_prepare: preparation steps to leave out.
        allow_skip: leave unreadable images out (recorded as a finding) instead of refusing them.
        out: run directory; None: `runs/MODEL-CHIP`.
        progress: what to report progress to.

    Returns:
        The run: `verdict`, `table`, `findings`, `bundle`, `page`...

    Raises:
        UserError: something that was given cannot be used.
        ToolchainError: a compiler or runtime failed.

    Example:
        >>> import edgewright as ew
        >>> run = ew.deploy("demo/detector.onnx", images="demo/images/evaluation", labels="demo/labels.json",
        ...                 calibration="demo/images/calibration")  # doctest: +SKIP
        >>> run.verdict  # doctest: +SKIP
        'passed'
    """
    precisions = precision.split(",") if isinstance(precision, str) else list(precision)
    recipe = make_recipe(
        {
            "model": {
                "path": str(model),
                "input_shapes": dict(input_shapes or {}),
                "skip_prepare": list(skip_prepare),
                "task": task,
            },
            "data": {
                "images": str(images),
                "labels": None if labels is None else str(labels),
                "calibration": None if calibration is None else str(calibration),
                "allow_skip": allow_skip,
            },
            "target": target,
            "precision": [word.strip() for word in precisions],
            "contract": dict(contract or {}),
            "quantise": {} if observer is None else {"observer": observer},
            "verify": {"max_drop": max_drop, "repair": repair},
        }
    )
    return run_deploy(recipe, None if out is None else Path(out), progress)


def deploy_recipe(recipe: AnyPath, *, out: AnyPath | None = None, progress: Progress | None = None) -> Run:
    """Do again what a recipe says; see `deploy`."""
    return run_deploy(load_recipe(Path(recipe)), None if out is None else Path(out), progress)
