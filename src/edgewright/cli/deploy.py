"""`edgewright deploy`."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Annotated, Any, Optional

import typer

from edgewright.cli import options as o
from edgewright.cli.given import recipe_of
from edgewright.cli.verb import command_line, verb
from edgewright.errors import UserError

HELP = """Take a model to a target and prove that the target computes what was trained.

Builds the model in float and in the wanted precision with the target's own toolchain, runs every stage on the same
images, says where and why the result goes wrong, repairs it at the least cost if it falls short, packs what passed.

Example: edgewright deploy model.onnx --images val/ --labels val.json --calibration calib/
"""
_NARROWEST = 80
"""Columns below which the table would be cut into single letters."""
_Text = Optional[str]  # noqa: UP045 - typer evaluates annotations on 3.10 as well


@verb
def command(
    model: Annotated[
        Path | None,
        typer.Argument(metavar="MODEL", help="ONNX file or Paddle export.", show_default=False),
    ] = None,
    images: o.MaybeImages = None,
    labels: o.MaybeLabels = None,
    calibration: o.Calibration = None,
    target: o.Target = None,
    task: o.MaybeTask = None,
    precision: Annotated[
        _Text,
        typer.Option(
            "--precision",
            metavar="P[,P]",
            help="float, int8 or int16, in order of preference. [default: int8, or float where nothing else computes]",
        ),
    ] = None,
    max_drop: o.MaxDrop = None,
    repair: Annotated[
        Optional[bool],  # noqa: UP045
        typer.Option("--repair/--no-repair", help="Mend a variant that falls short. [default: repair]"),
    ] = None,
    allow: o.Allow = None,
    budget: o.Budget = None,
    keep_outputs: o.KeepOutputs = False,
    time_limit: o.TimeLimit = None,
    seed: o.Seed = None,
    observer: Annotated[
        _Text,
        typer.Option(
            "--observer",
            metavar="NAME",
            help="minmax, percentile[:P], mse[:POWER] or entropy. [default: minmax; a repair takes ranges by effect]",
        ),
    ] = None,
    activation: Annotated[
        _Text,
        typer.Option(
            "--activation", metavar="TYPE", help="uint8 or int8 codes of activations. [default: the target's]"
        ),
    ] = None,
    symmetric: Annotated[bool, typer.Option("--symmetric", help="Symmetric grids for activations.")] = False,
    per_tensor: Annotated[
        bool, typer.Option("--per-tensor", help="One weight scale per tensor, not per channel.")
    ] = False,
    vendor_calibration: Annotated[
        _Text,
        typer.Option(
            "--vendor-calibration",
            metavar="M[,M]",
            help="Rows to compare with: the toolchain's own calibrations, as rockchip's normal, mmse, kl.",
        ),
    ] = None,
    colour: o.Colour = None,
    resize: o.Resize = None,
    mean: o.Mean = None,
    std: o.Std = None,
    input_shape: o.InputShapes = None,
    skip_prepare: Annotated[
        Optional[list[str]],  # noqa: UP045
        typer.Option("--skip-prepare", metavar="STEP", help="Leave a preparation step out; may be repeated."),
    ] = None,
    paddle: o.Paddle = None,
    allow_skip: Annotated[bool, typer.Option("--allow-skip", help="Leave unreadable images out, recorded.")] = False,
    recipe: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option("--recipe", metavar="FILE", help="Do what a recipe says; flags overrule it."),
    ] = None,
    out: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option("--out", metavar="DIR", help="Run directory. [default: runs/MODEL-CHIP]"),
    ] = None,
    yes: o.Yes = False,
    as_json: o.AsJson = False,
) -> int:
    """See HELP."""
    from edgewright.cli.console import progress
    from edgewright.cli.offer import offer_source, offer_toolchain
    from edgewright.workflow.deploy import run_deploy

    given: dict[str, Any] = {
        "model": {
            "path": None if model is None else str(model),
            "task": task,
            "input_shapes": o.shapes(input_shape) or None,
            "skip_prepare": skip_prepare or None,
            "paddle": paddle,
        },
        "data": {**o.data_section(images, labels, calibration), "allow_skip": allow_skip or None},
        "target": target,
        "precision": o.words(precision),
        "contract": o.contract_changes(colour, resize, mean, std),
        "quantise": {
            "observer": observer,
            "activation": activation,
            "symmetric": symmetric or None,
            "per_channel": False if per_tensor else None,
            "vendor_calibration": o.words(vendor_calibration),
        },
        "verify": {"max_drop": max_drop, "repair": repair},
        "repair": o.repair_section(allow, budget, keep_outputs, time_limit, seed),
    }
    if repair is False and any(value is not None for value in given["repair"].values()):
        raise UserError("--no-repair contradicts what is said of a repair", todo="leave one of them out")
    wanted = recipe_of(recipe, given)
    offer_source(wanted, yes=yes)
    offer_toolchain(wanted.target, yes=yes)
    run = run_deploy(wanted, out, progress(quiet=as_json), command_line())
    show(run, as_json=as_json)
    return 0 if run.verdict == "passed" else 1


def show(run: Any, *, as_json: bool) -> None:
    """Print the table, the findings and the closing line of a run, or its JSON object."""
    import sys

    from edgewright.cli.console import out, out_json
    from edgewright.report.summary import summary_json
    from edgewright.report.table import closing_line, render_text, terminal_view

    if as_json:
        out_json(
            summary_json(
                run.report,
                bundle=run.bundle,
                report_path=run.page,
                run_dir=run.run_dir,
                seconds=run.seconds,
                toolchain_seconds=run.toolchain_seconds,
            )
        )
        return
    encoding = sys.stdout.encoding or "utf-8"
    if sys.stdout.isatty():
        from rich.console import Console

        Console(highlight=False).print(terminal_view(run.report, encoding=encoding))
    else:
        width = max(_NARROWEST, shutil.get_terminal_size((110, 24)).columns)
        out(render_text(run.report, width, encoding=encoding).rstrip("\n"))
    if run.reused:
        out("Nothing changed since the last run: every result was taken from the run directory.")
    bundle = None if run.bundle is None else str(run.bundle)
    times = {"seconds": run.seconds, "toolchain_seconds": run.toolchain_seconds}
    out(closing_line(run.report, bundle=bundle, report_path=str(run.page), **times))
