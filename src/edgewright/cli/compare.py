"""`edgewright compare`."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated, Any

import typer

from edgewright.cli import options as o
from edgewright.cli.verb import verb

HELP = """Run two models or bundles on the same images and tell the error of B by part; A is the reference.

Example: edgewright compare model.onnx runs/model-cpu/bundle --images val/
"""


@verb
def command(
    a: Annotated[Path, typer.Argument(metavar="A", help="The reference: an ONNX file, a Paddle export or a bundle.")],
    b: Annotated[Path, typer.Argument(metavar="B", help="The candidate: an ONNX file, a Paddle export or a bundle.")],
    images: o.Images,
    labels: o.MaybeLabels = None,
    task: o.MaybeTask = None,
    colour: o.Colour = None,
    resize: o.Resize = None,
    mean: o.Mean = None,
    std: o.Std = None,
    as_json: o.AsJson = False,
) -> int:
    """See HELP."""
    from edgewright.cli.console import out, out_json, progress
    from edgewright.workflow.compare import compare

    started = time.perf_counter()
    found = compare(
        a,
        b,
        images=images,
        labels=labels,
        task=task,
        contract=o.contract_changes(colour, resize, mean, std),
        progress=progress(quiet=as_json),
    )
    failed = any(finding.severity.value == "error" for finding in found.findings)
    seconds = time.perf_counter() - started
    if as_json:
        verdict = "failed" if failed else "passed"
        out_json({"schema_version": 1, "verdict": verdict, **found.to_json(), "seconds": round(seconds, 3)})
    else:
        _show(found, out)
        out(f"{'DEGENERATE' if failed else 'COMPARED'}  {found.images} images  in {seconds:.1f} s")
    return 1 if failed else 0


def _show(found: Any, out: Any) -> None:
    from edgewright.report.table import findings_lines

    out(f"{'part':<14}{'cosine':>10}{'relative L2':>14}{'SQNR dB':>10}{'max error':>12}")
    for part in found.parts:
        cells = (part.relative_l2, part.sqnr_db, part.max_error)
        shown = ["-" if cell is None else f"{cell:.4g}" for cell in cells]
        out(f"{part.part:<14}{part.cosine:>10.6f}{shown[0]:>14}{shown[1]:>10}{shown[2]:>12}")
    for name, metric in found.metrics.items():
        out(f"{name}: {metric.name} {metric.value:.1f} on {metric.images} images")
    for line in findings_lines(found.findings, 100):
        out(line)
