"""`edgewright analyse`."""

from __future__ import annotations

import shutil
import sys
from typing import Annotated, Any, Optional

import typer

from edgewright.cli import options as o
from edgewright.cli.given import model_or_run
from edgewright.cli.verb import verb

HELP = """Say which tensors of the quantised network lose what, what that does to which output, and why.

Takes a model, or the directory of a deploy; changes nothing. Every tensor's error is measured twice: isolated, its op
alone on its grids, and accumulated, in the network as planned. Ends with causes and what can be done. On targets whose
toolchain shows its tensors (sophgo, rockchip), its own build is read too and set beside our emulation.

Example: edgewright analyse model.onnx --images val/ --labels val.json --calibration calib/
"""
_NARROWEST = 80
_Text = Optional[str]  # noqa: UP045 - typer evaluates annotations on 3.10 as well


@verb
def command(
    model: o.ModelOrRun,
    images: o.MaybeImages = None,
    labels: o.MaybeLabels = None,
    calibration: o.Calibration = None,
    target: o.Target = None,
    task: o.MaybeTask = None,
    precision: Annotated[
        _Text, typer.Option("--precision", metavar="P", help="int8 or int16. [default: int8, or what RUN wants]")
    ] = None,
    observer: Annotated[
        _Text,
        typer.Option("--observer", metavar="NAME", help="minmax, percentile[:P], mse[:POWER] or entropy."),
    ] = None,
    colour: o.Colour = None,
    resize: o.Resize = None,
    mean: o.Mean = None,
    std: o.Std = None,
    input_shape: o.InputShapes = None,
    paddle: o.Paddle = None,
    limit: Annotated[int, typer.Option("--limit", metavar="N", min=1, help="Rows of the table of tensors.")] = 12,
    channels: Annotated[
        Optional[list[str]],  # noqa: UP045
        typer.Option("--channels", metavar="NAME", help="Tell the channels of this tensor or op; may be repeated."),
    ] = None,
    extract: Annotated[
        _Text,
        typer.Option("--extract", metavar="NAME", help="Write the smallest piece that shows this op's error."),
    ] = None,
    against: Annotated[
        _Text,
        typer.Option("--against", metavar="VENDOR/CHIP", help="Another chip: where the two part, and why."),
    ] = None,
    out: o.RunOut = None,
    yes: o.Yes = False,
    as_json: o.AsJson = False,
) -> int:
    """See HELP."""
    from edgewright.cli.console import progress
    from edgewright.cli.offer import offer_source, offer_toolchain
    from edgewright.workflow.analyse import check_against, run_analyse

    given: dict[str, Any] = {
        "model": {
            "task": task,
            "input_shapes": o.shapes(input_shape) or None,
            "paddle": paddle,
        },
        "data": o.data_section(images, labels, calibration),
        "target": target,
        "precision": None if precision is None else [precision],
        "contract": o.contract_changes(colour, resize, mean, std),
        "quantise": {"observer": observer},
    }
    recipe, place = model_or_run(model, given, out)
    offer_source(recipe, yes=yes)
    if against is not None:
        check_against(recipe, against)
    for name in dict.fromkeys((recipe.target, against or recipe.target)):
        offer_toolchain(name, yes=yes)
    found = run_analyse(
        recipe, place, progress(quiet=as_json), channels=channels or (), extract=extract, against=against
    )
    _show(found, limit, as_json=as_json)
    return 0


def _show(found: Any, limit: int, *, as_json: bool) -> None:
    from edgewright.cli.console import out, out_json
    from edgewright.report.layers import layers_closing, layers_text, layers_view
    from edgewright.report.layers_json import layers_json

    if as_json:
        places = found.page, found.run_dir, found.seconds
        out_json(layers_json(found.analysis, found.extracted, *places, found.against))
        return
    encoding = sys.stdout.encoding or "utf-8"
    if sys.stdout.isatty():
        from rich.console import Console

        Console(highlight=False).print(
            layers_view(found.analysis, limit=limit, encoding=encoding, against=found.against)
        )
    else:
        width = max(_NARROWEST, shutil.get_terminal_size((110, 24)).columns)
        shown = layers_text(found.analysis, width, limit=limit, encoding=encoding, against=found.against)
        out(shown.rstrip("\n"))
    if found.extracted is not None:
        out(_extracted(found.extracted))
    out(layers_closing(found.analysis, report_path=str(found.page), seconds=found.seconds))


def _extracted(extracted: Any) -> str:
    from edgewright.report.layers_rows import piece_line

    return f"{piece_line(extracted.piece)} It is in {extracted.folder}"
