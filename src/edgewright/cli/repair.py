"""`edgewright repair`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Optional

import typer

from edgewright.cli import options as o
from edgewright.cli.deploy import recipe_of, show
from edgewright.cli.verb import command_line, verb

HELP = """Find the cheapest change of graph, calibration or precision that brings the task metric back.

Takes a model, or the directory of a deploy that fell short. What to do is chosen on calibration images against the
float model; whether it suffices is measured on the evaluation images. An interrupted search goes on where it stopped.

Example: edgewright repair runs/model-cpu --max-drop 0.5 --budget "int16-macs<=10%"
"""


@verb
def command(
    model: Annotated[Path, typer.Argument(metavar="MODEL|RUN", help="ONNX file, or a run directory.")],
    images: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option("--images", metavar="DIR", help="Images to measure on."),
    ] = None,
    labels: o.MaybeLabels = None,
    calibration: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option("--calibration", metavar="DIR", help="Images to calibrate on; else every other one of --images."),
    ] = None,
    target: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option("--target", metavar="VENDOR/CHIP", help="See `edgewright targets`. [default: onnxruntime/cpu]"),
    ] = None,
    task: o.MaybeTask = None,
    max_drop: o.MaxDrop = None,
    allow: o.Allow = None,
    budget: o.Budget = None,
    keep_outputs: o.KeepOutputs = False,
    time_limit: o.TimeLimit = None,
    seed: o.Seed = None,
    out: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option("--out", metavar="DIR", help="Run directory. [default: RUN, or runs/MODEL-CHIP]"),
    ] = None,
    yes: o.Yes = False,
    as_json: o.AsJson = False,
) -> int:
    """See HELP."""
    from edgewright.cli.console import progress
    from edgewright.cli.offer import offer_toolchain
    from edgewright.workflow.deploy import run_deploy
    from edgewright.workflow.given import recipe_in

    is_run = model.is_dir()
    given: dict[str, Any] = {
        "model": {"path": None if is_run else str(model), "task": task},
        "data": {
            "images": None if images is None else str(images),
            "labels": None if labels is None else str(labels),
            "calibration": None if calibration is None else str(calibration),
        },
        "target": target,
        "verify": {"max_drop": max_drop, "repair": True},
        "repair": o.repair_section(allow, budget, keep_outputs, time_limit, seed),
    }
    recipe = recipe_of(recipe_in(model) if is_run else None, given)
    place = out if out is not None or not is_run else model
    offer_toolchain(recipe.target, yes=yes)
    run = run_deploy(recipe, place, progress(quiet=as_json), command_line())
    show(run, as_json=as_json)
    return 0 if run.verdict == "passed" else 1
