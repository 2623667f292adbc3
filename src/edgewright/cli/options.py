"""Options that several verbs share, spelled once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Optional

import typer

from edgewright.errors import UserError

Images = Annotated[Path, typer.Option("--images", metavar="DIR", help="Folder of images.")]
MaybeLabels = Annotated[
    Optional[Path],  # noqa: UP045 - typer evaluates the annotation on 3.10 as well
    typer.Option("--labels", metavar="DIR|JSON", help="Labels: COCO JSON, or a folder of YOLO txt or Pascal VOC xml."),
]
MaybeTask = Annotated[
    Optional[str],  # noqa: UP045
    typer.Option("--task", metavar="FAMILY", help="Head family, to overrule recognition; 'tensors' for none."),
]
MaybeImages = Annotated[
    Optional[Path],  # noqa: UP045
    typer.Option("--images", metavar="DIR", help="Images to measure on."),
]
Calibration = Annotated[
    Optional[Path],  # noqa: UP045
    typer.Option("--calibration", metavar="DIR", help="Images to calibrate on; else every other one of --images."),
]
Target = Annotated[
    Optional[str],  # noqa: UP045
    typer.Option(
        "--target", metavar="VENDOR/CHIP[==VERSION]", help="As `edgewright targets` lists. [default: onnxruntime/cpu]"
    ),
]
ModelOrRun = Annotated[Path, typer.Argument(metavar="MODEL|RUN", help="ONNX file, Paddle export, or a run directory.")]
RunOut = Annotated[
    Optional[Path],  # noqa: UP045
    typer.Option("--out", metavar="DIR", help="Run directory. [default: RUN, or runs/MODEL-CHIP]"),
]
AsJson = Annotated[
    bool, typer.Option("--json", help="Print one JSON object on standard output and nothing else there.")
]
Colour = Annotated[Optional[str], typer.Option("--colour", metavar="RGB|BGR|GRAY", help="Channel order.")]  # noqa: UP045
Resize = Annotated[
    Optional[str],  # noqa: UP045
    typer.Option("--resize", metavar="HOW", help="stretch, letterbox (centred), letterbox-topleft or keep-ratio."),
]
Mean = Annotated[
    Optional[str],  # noqa: UP045
    typer.Option("--mean", metavar="M[,M,M]", help="Per channel, raw units: the input is (raw - mean) / std."),
]
Std = Annotated[
    Optional[str],  # noqa: UP045
    typer.Option("--std", metavar="S[,S,S]", help="Per channel, raw units; /255 is --mean 0 --std 255."),
]
InputShapes = Annotated[
    Optional[list[str]],  # noqa: UP045
    typer.Option(
        "--input-shape",
        metavar="NAME=1,3,H,W",
        help="Static shape of an input that the model leaves open; may be repeated.",
    ),
]

Paddle = Annotated[
    Optional[str],  # noqa: UP045
    typer.Option("--paddle", metavar="VERSION", help="Paddle that reads a Paddle model. [default: by its format]"),
]

Yes = Annotated[bool, typer.Option("--yes", help="Install the target's toolchain if it is missing, without asking.")]

MaxDrop = Annotated[
    Optional[float],  # noqa: UP045
    typer.Option(
        "--max-drop", metavar="POINTS", help="Allowed drop of the task metric. [default: 1.0 with labels, 5.0 without]"
    ),
]
Allow = Annotated[
    Optional[str],  # noqa: UP045
    typer.Option(
        "--allow", metavar="K[,K]", help="Remedies: rewrite, calibration, cut, 16bit, float. [default: all of them]"
    ),
]
Budget = Annotated[
    Optional[str],  # noqa: UP045
    typer.Option(
        "--budget",
        metavar="LIMITS",
        help="What a repair may cost: int16-macs<=10%, float-macs<=5%, int16-ops<=8, conversions<=6, latency<=1.05x.",
    ),
]
KeepOutputs = Annotated[
    bool, typer.Option("--keep-outputs", help="Outputs keep name, shape and meaning: no decoding on the host.")
]
TimeLimit = Annotated[
    Optional[float],  # noqa: UP045
    typer.Option("--time-limit", metavar="SECONDS", help="Longest search; the best so far is kept."),
]
Seed = Annotated[Optional[int], typer.Option("--seed", metavar="N", help="Of everything random. [default: 0]")]  # noqa: UP045


def data_section(images: Path | None, labels: Path | None, calibration: Path | None) -> dict[str, Any]:
    """The data section of a recipe, from flags."""
    given = {"images": images, "labels": labels, "calibration": calibration}
    return {name: None if path is None else str(path) for name, path in given.items()}


def words(text: str | None) -> list[str] | None:
    """`a,b` as a list; None where nothing was said."""
    return None if text is None else [word.strip() for word in text.split(",")]


def repair_section(
    allow: str | None, budget: str | None, keep_outputs: bool, time_limit: float | None, seed: int | None
) -> dict[str, Any]:
    """The repair section of a recipe, from flags."""
    return {
        "allow": None if allow is None else [word for word in words(allow) or () if word],
        "budget": budget,
        "keep_outputs": keep_outputs or None,
        "time_limit": time_limit,
        "seed": seed,
    }


def contract_changes(colour: str | None, resize: str | None, mean: str | None, std: str | None) -> dict[str, Any]:
    """The contract section of a recipe, from flags."""
    changes: dict[str, Any] = {"colour": colour, "resize": resize}
    for name, text in (("mean", mean), ("std", std)):
        changes[name] = None if text is None else _numbers(text, f"--{name}")
    return {name: value for name, value in changes.items() if value is not None}


def shapes(texts: list[str] | None) -> dict[str, list[int]]:
    """`NAME=1,3,H,W` entries as a mapping.

    Raises:
        UserError: an entry has another form.
    """
    found: dict[str, list[int]] = {}
    for text in texts or []:
        name, equals, sizes = text.rpartition("=")
        parts = sizes.split(",")
        if not equals or not name or not all(part.strip().isdigit() and int(part) > 0 for part in parts):
            raise UserError(f"--input-shape {text!r} has the wrong form", todo="write --input-shape images=1,3,640,640")
        found[name] = [int(part) for part in parts]
    return found


def _numbers(text: str, flag: str) -> list[float]:
    try:
        return [float(part) for part in text.split(",")]
    except ValueError:
        raise UserError(f"{flag} {text!r} is not a list of numbers", todo=f"write {flag} 123.7,116.3,103.5") from None
