"""The Python form of `edgewright deploy`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Any

from edgewright.workflow.deploy import Run, run_deploy
from edgewright.workflow.given import recipe_in
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
    precision: str | Sequence[str] | None = None,
    max_drop: float | None = None,
    max_parts: Mapping[str, float] | None = None,
    repair: bool = True,
    allow: Sequence[str] | None = None,
    budget: str = "",
    keep_outputs: bool = False,
    time_limit: float | None = None,
    seed: int = 0,
    observer: str | None = None,
    vendor_calibration: Sequence[str] = (),
    contract: Mapping[str, Any] | None = None,
    input_shapes: Mapping[str, Sequence[int]] | None = None,
    skip_prepare: Sequence[str] = (),
    paddle: str | None = None,
    allow_skip: bool = False,
    out: AnyPath | None = None,
    progress: Progress | None = None,
) -> Run:
    """Take a trained model to a target and prove that the target computes what was trained.

    Args:
        model: an ONNX file, a folder that PaddleDetection exported, or a Paddle program.
        images: a folder of images to measure on.
        labels: a COCO JSON file, or a folder of YOLO or VOC files; None: the float model's own detections count.
        calibration: a folder of images to calibrate on; without it every other image of `images` is taken.
        target: `vendor/chip`, or `vendor/chip==VERSION`; see `target_names`.
        task: head family, to overrule recognition; "tensors" compares outputs only.
        precision: "float", "int8", "int16", or several in order of preference ("int8,float"); None: "int8" where the
            target computes in it, else "float".
        max_drop: allowed drop of the task metric in points; None: 1.0 with labels, 5.0 without.
        max_parts: allowed relative L2 of single parts ("boxes"), whatever the task metric says.
        repair: whether to mend a variant that falls short.
        allow: kinds of remedies: "rewrite", "calibration", "cut", "16bit", "float"; None: all of them.
        budget: what a repair may cost, as "int16-macs<=10%, latency<=1.05x".
        keep_outputs: outputs keep name, shape and meaning: nothing is decoded on the host.
        time_limit: seconds for the search; the best so far is kept.
        seed: of everything random in the search.
        vendor_calibration: the target's own calibrations ("kl"), each of which makes rows to compare.
        observer: "minmax", "percentile:99.9", "mse", "entropy"; None: "minmax", and a repair takes ranges by effect.
        contract: what of the preprocessing contract differs from the preset (`colour`, `resize`, `mean`, `std`...).
        input_shapes: static shapes of inputs that the model leaves open.
        skip_prepare: preparation steps to leave out.
        paddle: version of Paddle that reads a Paddle model; None: the one that fits its format.
        allow_skip: leave unreadable images out, recorded as a finding.
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
    of_model = {"path": model, "task": task, "paddle": paddle}
    words = precision.split(",") if isinstance(precision, str) else precision
    search = {"allow": allow, "budget": budget, "keep_outputs": keep_outputs, "time_limit": time_limit, "seed": seed}
    said = {
        "model": {**of_model, "input_shapes": dict(input_shapes or {}), "skip_prepare": skip_prepare},
        "data": {"images": images, "labels": labels, "calibration": calibration, "allow_skip": allow_skip},
        "target": target,
        "precision": None if words is None else [word.strip() for word in words],
        "contract": dict(contract or {}),
        "quantise": {"observer": observer, "vendor_calibration": list(vendor_calibration) or None},
        "verify": {"max_drop": max_drop, "parts": dict(max_parts or {}), "repair": repair},
        "repair": search,
    }
    recipe = make_recipe({name: _plain(value) for name, value in said.items()})
    return run_deploy(recipe, None if out is None else Path(out), progress)


def _plain(value: Any) -> Any:
    """Settings as a recipe file would hold them: paths as text, sequences as lists, nothing where None was said."""
    if isinstance(value, Mapping):
        return {key: _plain(entry) for key, entry in value.items() if entry is not None}
    if isinstance(value, PathLike):
        return str(Path(value))
    return list(value) if isinstance(value, (list, tuple)) else value


def deploy_recipe(recipe: AnyPath, *, out: AnyPath | None = None, progress: Progress | None = None) -> Run:
    """Do again what a recipe says; see `deploy`."""
    return run_deploy(load_recipe(Path(recipe)), None if out is None else Path(out), progress)


def repair_run(
    run: AnyPath,
    *,
    max_drop: float | None = None,
    allow: Sequence[str] | None = None,
    budget: str | None = None,
    time_limit: float | None = None,
    out: AnyPath | None = None,
    progress: Progress | None = None,
) -> Run:
    """Mend what a deploy left short, from what lies in its run directory; see `deploy`.

    Args:
        run: directory of the deploy.
        max_drop, allow, budget, time_limit: as in `deploy`; None keeps what the recipe of the run says.
        out: another run directory; None goes on in the same one.
        progress: what to report progress to.

    Raises:
        UserError: `run` is no run directory, or something that was given cannot be used.
        ToolchainError: a compiler or runtime failed.
    """
    said: dict[str, dict[str, Any]] = {
        "verify": {"max_drop": max_drop},
        "repair": {"allow": None if allow is None else list(allow), "budget": budget, "time_limit": time_limit},
    }
    given = {name: {k: v for k, v in table.items() if v is not None} for name, table in said.items()}
    given["verify"]["repair"] = True
    return run_deploy(load_recipe(recipe_in(Path(run)), given), Path(run if out is None else out), progress)
