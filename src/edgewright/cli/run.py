"""`edgewright run`."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated, Any, Optional

import typer

from edgewright.cli import options as o
from edgewright.cli.verb import verb

HELP = """Run a bundle on an image, a folder of images, a video or a camera, and print what it finds.

Example: edgewright run runs/model-cpu/bundle street.jpg --save drawn/
"""


@verb
def command(
    bundle: Annotated[Path, typer.Argument(metavar="BUNDLE", help="Bundle folder or zip.")],
    source: Annotated[str, typer.Argument(metavar="IMAGE|DIR|VIDEO|camera:N", help="What to run it on.")],
    save: Annotated[
        Optional[Path],  # noqa: UP045 - typer evaluates annotations on 3.10 as well
        typer.Option("--save", metavar="DIR", help="Write each image with its detections drawn."),
    ] = None,
    confidence: Annotated[
        Optional[float],  # noqa: UP045
        typer.Option("--confidence", metavar="C", min=0.0, max=1.0, help="Smallest score. [default: the bundle's]"),
    ] = None,
    most: Annotated[
        Optional[int],  # noqa: UP045
        typer.Option("--frames", metavar="N", min=1, help="Stop after so many. [default: all; a camera has no end]"),
    ] = None,
    as_json: o.AsJson = False,
) -> int:
    """See HELP."""
    from edgewright.cli.console import out, out_json
    from edgewright.runtime.load import load
    from edgewright.workflow.predict import describe_prediction, predicted, save_drawn

    started = time.perf_counter()
    results: list[dict[str, Any]] = []
    with load(bundle) as predictor:
        for name, image, found in predicted(predictor, source, confidence, most):
            results.append({"image": name, **describe_prediction(found)})
            if save is not None:
                save_drawn(save, name, image, found)
            if not as_json:
                out(_line(results[-1]))
        target = predictor.target
    seconds = time.perf_counter() - started
    if as_json:
        out_json(
            {
                "schema_version": 1,
                "verdict": "passed",
                "target": target,
                "images": results,
                "seconds": round(seconds, 3),
            }
        )
    else:
        saved = f"  drawn: {save}" if save is not None else ""
        out(f"PASSED  {target}  {len(results)} image{'s' if len(results) != 1 else ''}  in {seconds:.1f} s{saved}")
    return 0


def _line(result: dict[str, Any]) -> str:
    if "detections" in result:
        found = result["detections"]
        shown = ", ".join(f"{one['name']} {one['score']:.2f}" for one in found[:8])
        return f"{result['image']}: {len(found)} found{': ' if found else ''}{shown}{', ...' if len(found) > 8 else ''}"
    if "classes" in result:
        shown = ", ".join(f"{one['name']} {one['score']:.2f}" for one in result["classes"])
        return f"{result['image']}: {shown}"
    if "keypoints" in result:
        return f"{result['image']}: {result['keypoints']} keypoints"
    return f"{result['image']}: " + ", ".join(f"{one['name']} {one['shape']}" for one in result["outputs"])
