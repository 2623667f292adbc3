"""An export of Paddle: its program, its weights and PaddleDetection's description, found and looked at.

Paddle's own reader ends in a segmentation fault on a damaged program, so what can be seen without it is seen here.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from edgewright.errors import ModelError
from edgewright.sources.paddle.sniff import looks_like_pir, pdmodel_problem, pir_problem

CONFIG = "infer_cfg.yml"
PROGRAM_SUFFIXES = {".pdmodel": "pdmodel", ".json": "pir"}
WEIGHTS_SUFFIX = ".pdiparams"
_FOREIGN = ("manifest.json", "recipe.toml")
"""Files of a bundle or a run directory, which may hold a Paddle program too."""
_AGAIN = "export it again: tools/export_model.py of PaddleDetection, or paddle.jit.save"

Format = Literal["pdmodel", "pir"]


@dataclass(frozen=True)
class PaddleExport:
    """A Paddle model on disk.

    Attributes:
        path: as the user gave it, a folder or a program.
        program, weights: the network.
        config: `infer_cfg.yml`; None where there is none.
        format: "pdmodel" of Paddle 2, "pir" of Paddle 3 (JSON).
    """

    path: Path
    program: Path
    weights: Path
    config: Path | None
    format: Format

    @property
    def files(self) -> list[Path]:
        """Everything that it is made of, the program first."""
        return [self.program, self.weights, *([self.config] if self.config else [])]


def is_export(path: Path) -> bool:
    """Whether a path means a Paddle model: by its names, whole or not."""
    if path.is_dir():
        if any((path / name).exists() for name in _FOREIGN):
            return False
        try:
            files = [entry for entry in path.iterdir() if entry.is_file()]
        except OSError:  # a folder that may not be read: whoever takes it for a run directory says so
            return False
        return any(entry.name == CONFIG or entry.suffix in (".pdmodel", WEIGHTS_SUFFIX) for entry in files)
    if path.suffix in (".pdmodel", WEIGHTS_SUFFIX):
        return True
    beside = path.with_suffix(WEIGHTS_SUFFIX)
    return path.suffix == ".json" and path.is_file() and (beside.is_file() or looks_like_pir(path))


def export_files(path: Path) -> list[Path]:
    """The files of a Paddle model; see `find_export`."""
    return find_export(path).files


def find_export(path: Path) -> PaddleExport:
    """The model that a folder or a program file is.

    Raises:
        ModelError: a part is missing, there are several programs, or a file is visibly damaged.
    """
    program = _program_in(path) if path.is_dir() else _program_file(path)
    weights = program.with_suffix(WEIGHTS_SUFFIX)
    _check_weights(program, weights)
    _check_program(program)
    config = program.parent / CONFIG
    return PaddleExport(path, program, weights, config if config.is_file() else None, _format(program))


def _format(program: Path) -> Format:
    return "pdmodel" if program.suffix == ".pdmodel" else "pir"


def _program_file(path: Path) -> Path:
    if path.suffix == WEIGHTS_SUFFIX:
        raise ModelError(
            f"{path.name} holds the weights of a Paddle model, not its program",
            where=str(path),
            todo="name the .pdmodel or .json beside it, or the folder",
        )
    if not path.is_file():
        raise ModelError(f"there is no file {path}", todo="check the path; a Paddle model is a folder or a program")
    return path


def _program_in(folder: Path) -> Path:
    entries = sorted(entry for entry in folder.iterdir() if entry.is_file())
    found = [
        entry for entry in entries if entry.suffix == ".pdmodel" or (entry.suffix == ".json" and looks_like_pir(entry))
    ]
    if len(found) == 1:
        return found[0]
    if not found:
        holds = ", ".join(entry.name for entry in entries[:6]) or "nothing"
        raise ModelError(
            "this folder holds no Paddle program",
            where=str(folder),
            why=f"it holds {holds}, but no .pdmodel and no .json in Paddle 3's format",
            todo=f"name the folder that holds model.pdmodel or model.json, or {_AGAIN}",
        )
    raise ModelError(
        f"this folder holds {len(found)} Paddle programs",
        where=str(folder),
        why=", ".join(entry.name for entry in found[:6]),
        todo="name the one that is meant: the .pdmodel or .json itself",
    )


def _check_weights(program: Path, weights: Path) -> None:
    if not weights.is_file():
        others = sorted(entry.name for entry in program.parent.glob(f"*{WEIGHTS_SUFFIX}"))
        there = f"there is {', '.join(others[:3])}, of another name" if others else f"no {WEIGHTS_SUFFIX} lies there"
        raise ModelError(
            f"the weights of {program.name} are missing: {weights.name}",
            where=str(program.parent),
            why=f"a program keeps its weights in a file of its own name; {there}",
            todo=f"copy both files, side by side; or {_AGAIN}",
        )
    if weights.stat().st_size == 0:
        raise ModelError("the weights file is empty (0 bytes)", where=str(weights), todo=f"copy it again, or {_AGAIN}")


def _check_program(program: Path) -> None:
    problem = pdmodel_problem(program) if _format(program) == "pdmodel" else pir_problem(program)
    if problem:
        raise ModelError(
            f"{program.name} is no Paddle program, or it is damaged", where=str(program), why=problem, todo=_AGAIN
        )
