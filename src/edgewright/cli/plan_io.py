"""`edgewright plan-io`."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from edgewright.cli import options as o
from edgewright.cli.verb import verb

HELP = """Show what each input and output costs now and would cost: float, table, fused, pass-through, codes.

Says how far raw bytes are from being the codes of the input, and which change of mean, std, scale or zero point would
make them so. Times are the host's work for one image on this computer, without resize.

Example: edgewright plan-io runs/model-cpu/bundle --images val/ --labels val.json
"""


@verb
def command(
    path: Annotated[Path, typer.Argument(metavar="MODEL|BUNDLE", help="ONNX file, bundle folder or bundle zip.")],
    target: o.Target = None,
    images: o.MaybeImages = None,
    labels: o.MaybeLabels = None,
    task: o.MaybeTask = None,
    input_shape: o.InputShapes = None,
    colour: o.Colour = None,
    resize: o.Resize = None,
    mean: o.Mean = None,
    std: o.Std = None,
    as_json: o.AsJson = False,
) -> int:
    """See HELP."""
    from edgewright.cli.console import out, out_json, progress
    from edgewright.workflow.plan_io import Given, plan_io

    started = time.perf_counter()
    found = plan_io(
        path,
        target=target,
        task=task,
        shapes=o.shapes(input_shape),
        contract=o.contract_changes(colour, resize, mean, std),
        given=Given(images, labels, progress(quiet=as_json)),
    )
    seconds = time.perf_counter() - started
    if as_json:
        out_json({**found, "seconds": round(seconds, 3)})
        return 0
    for one in found["inputs"]:
        for line in _input_lines(one):
            out(line)
    for one in found["outputs"]:
        for line in [f"output {_heading(one)}", *_way_lines(one["ways"])]:
            out(line)
    out(f"without any copy: {found['zero_copy'] or 'not known of this target'}")
    out(f"PLANNED  {found['target']}  in {seconds:.1f} s")
    return 0


def _input_lines(one: dict[str, Any]) -> Iterator[str]:
    now = one["now"]
    yield f"input {_heading(one)}"
    yield f"  now {now['route']}: {now['formula']}"
    times = f"{_time(now['microseconds'])}, a copy of the frame {_time(now['copy_microseconds'])}"
    yield f"      {now['proof']}; {now['engine']}; {times}"
    yield from _way_lines(one["ways"])
    yield from (f"  {line}" for line in _pass_through_lines(one["pass_through"]))


def _way_lines(ways: list[dict[str, Any]]) -> Iterator[str]:
    yield f"  {'way':<14}{'bytes':>12}{'here':>12}{'copies':>8}  what it is called"
    for way in ways:
        shown = f"{way['bytes']:>12}{_time(way['microseconds']):>12}{way['copies']:>8}"
        yield f"  {way['way']:<14}{shown}  {way['called'] or '-'}"


def _pass_through_lines(found: dict[str, Any]) -> Iterator[str]:
    if found["exact"]:
        assumed = found["assumed_grid"]
        grid = f" with a grid of scale {assumed['scale']:.6g}, zero point {assumed['zero_point']}" if assumed else ""
        yield f"pass-through is exact{grid}: all 256 codes of each channel are the raw bytes"
        return
    if found["differing"] is None:
        yield "pass-through is not possible: codes of 16 bits"
        return
    differ = ", ".join(map(str, found["differing"]))
    yield f"pass-through is not exact: of 256 codes {differ} differ, by at most {found['largest']}"
    for change in found["changes"]:
        keeps = "another grid" if change["change"] == "grid" else "another normalisation"
        yield f"  exact with {keeps}: {'; '.join(change['told'])}"
        yield f"    accuracy: {_accuracy(change['accuracy'])}"
    if not found["changes"]:
        yield "  no small change makes it so; mean and std inside the network would (see `fused`)"


def _accuracy(found: Any) -> str:
    if isinstance(found, str):
        return f"{found}: pass --images (and --labels) with an ONNX model of a detector"
    change = found["changed"] - found["now"]
    both = f"{found['now']:.2f} now, {found['changed']:.2f} then ({change:+.2f})"
    return f"{found['metric']} {both}, {found['images']} images"


def _heading(one: dict[str, Any]) -> str:
    shape = "x".join("?" if size is None else str(size) for size in one["shape"])
    grid = one["grid"]
    if grid is None:
        return f"{one['name']}: {one['dtype']} {shape}, no grid known"
    whole = not isinstance(grid["scale"], list)
    told = f"scale {grid['scale']:.6g}, zero point {grid['zero_point']}" if whole else "a scale for each channel"
    return f"{one['name']}: {one['dtype']} {shape}, {one['at_boundary']}; grid {grid['dtype']}, {told}"


def _time(microseconds: float) -> str:
    return f"{microseconds:.1f} us" if microseconds < 1000 else f"{microseconds / 1000:.2f} ms"
