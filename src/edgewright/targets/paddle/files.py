"""Whether files are what a version of Paddle can read: it dies of a segmentation fault where they are not."""

from __future__ import annotations

from pathlib import Path

from edgewright.errors import UserError
from edgewright.toolchains.vendors import vendor_spec
from edgewright.toolchains.versions import in_range

JSON = ".json"
_FIRST_BYTES = {".pdmodel": b"\x0a", JSON: b"{"}
"""A ProgramDesc begins with field 1, its blocks; an ONNX file with field 1 too, but a number: 0x08."""
_PAST_SPACE = 64


def reads(version: str, program: Path) -> bool:
    """Whether a version of Paddle has the format of a program: `.json` came with 3, which reads `.pdmodel` too."""
    return program.suffix != JSON or in_range(version, ">=3.0.0")


def check_files(program: Path, weights: Path, version: str) -> None:
    """Refuse what Paddle would die of, or would run without a word: 3.3.1 computes without its weights.

    Raises:
        UserError: a file is missing, empty, or of another kind; or this version does not read it.
    """
    for path, what in ((program, "program"), (weights, "weights")):
        if not path.is_file():
            raise UserError(
                f"the {what} of the Paddle model is missing",
                where=str(path),
                todo="copy both files of the export, .pdmodel or .json and .pdiparams",
            )
        if not path.stat().st_size:
            raise UserError(f"the {what} of the Paddle model is empty", where=str(path), todo="copy the export again")
    if program.suffix not in _FIRST_BYTES:
        raise UserError(
            f"{program.name} is no program of Paddle's",
            where=str(program),
            why="a program is a .pdmodel, or a .json since Paddle 3",
            todo="give the export folder, or the program in it",
        )
    with program.open("rb") as file:
        begin = file.read(_PAST_SPACE).lstrip() if program.suffix == JSON else file.read(1)
    if not begin.startswith(_FIRST_BYTES[program.suffix]):
        raise UserError(
            f"{program.name} is no program of Paddle's, whatever its name says",
            where=str(program),
            why=f"it begins with {begin[:4]!r}",
            todo="copy or export the model again",
        )
    if not reads(version, program):
        newer = [known for known in vendor_spec("paddle").versions if reads(known, program)]
        raise UserError(
            f"Paddle {version} does not read {program.name}",
            where=str(program),
            why="a .json is a program of Paddle 3",
            todo=f"use one of {', '.join(newer)}, or export it with Paddle {version}",
        )
