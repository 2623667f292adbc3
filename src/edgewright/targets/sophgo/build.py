"""The steps of a build: ONNX, float module, tables, lowered module, the chip's file, and whether the last two agree."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edgewright.errors import ToolchainError, UserError
from edgewright.files import explained_write_errors, write_bytes_atomic, write_json_atomic, write_text_atomic
from edgewright.graph.model import Model
from edgewright.quant.collect import collect_statistics
from edgewright.quant.plan import PrecisionPlan
from edgewright.quant.statistics import Range
from edgewright.targets.sophgo.lowered import Lookup
from edgewright.targets.sophgo.mlir import MlirOp, parse_mlir
from edgewright.targets.sophgo.names import Names, lookup_of, match_names
from edgewright.targets.sophgo.plan import Tables, unplanned, write_tables
from edgewright.targets.sophgo.process import call_worker
from edgewright.targets.sophgo.session import Feeds, Simulation
from edgewright.toolchains.environments import Environment

CALIBRATION, MODES, NAMES, LOWERED = "calibration.txt", "quantisation.txt", "names.json", "lowered.mlir"
_NAME = "net"
_RANGE_IMAGES = 16
"""Images on which ranges of float ops are measured: they decide no grid unless a float op's neighbour shares it."""

Samples = Callable[[int], Iterable[Feeds]]


@dataclass(frozen=True)
class Transformed:
    """A model as TPU-MLIR reads it.

    Attributes:
        folder: where its module and weights lie, and all that follows.
        module: name of the file.
        ops: what is in it.
        names: how its tensors belong to the model's.
    """

    folder: Path
    module: str
    ops: Sequence[MlirOp]
    names: Names


def transform(made: Environment, model: Model, folder: Path) -> Transformed:
    """Let TPU-MLIR read the model.

    Raises:
        UserError: an input's shape is open, or not of float.
        ToolchainError: TPU-MLIR failed.
    """
    for spec in model.inputs:
        if not spec.is_static or spec.dtype != "float32":
            raise UserError(
                f"TPU-MLIR needs inputs of float32 and of fixed shape, but {spec} is not",
                todo="--input-shape fixes a shape",
            )
    with explained_write_errors(folder):
        if folder.exists():
            shutil.rmtree(folder)
        folder.mkdir(parents=True)
    write_bytes_atomic(folder / f"{_NAME}.onnx", model.data)
    shapes = [list(spec.shape) for spec in model.inputs]
    arguments = {"model": f"{_NAME}.onnx", "shapes": shapes, "name": _NAME}
    reply = call_worker(made, "transform", arguments, folder)
    ops = parse_mlir((folder / reply.result["module"]).read_text(encoding="utf-8"))
    check_inputs(model, ops)
    return Transformed(folder, reply.result["module"], ops, match_names(model, ops))


def tables_for(
    model: Model,
    plan: PrecisionPlan,
    read: Transformed,
    wide_mode: str,
    samples: Samples | None,
    *,
    asymmetric: bool = False,
) -> Tables:
    """The plan in TPU-MLIR's tables, written beside the module."""
    wanted = unplanned(read.ops, read.names, plan)
    ranges = _measured(model, wanted, samples)
    tables = write_tables(model, plan, read.ops, read.names, wide_mode, ranges, asymmetric=asymmetric)
    write_text_atomic(read.folder / CALIBRATION, tables.calibration)
    write_text_atomic(read.folder / MODES, tables.quantisation)
    return tables


def compile_module(
    made: Environment,
    read: Transformed,
    chip: str,
    mode: str,
    artifact: str,
    tables: Tables | None,
    *,
    whole: bool = True,
) -> Mapping[str, Any]:
    """Lower the module for a chip and, when `whole`, compile the chip's file. Returns the worker's answer."""
    arguments = {
        "module": read.module,
        "chip": chip,
        "quantize": mode,
        "model": artifact,
        "calibration": CALIBRATION if tables is not None else None,
        "modes": MODES if tables is not None and tables.modes else None,
        "asymmetric": tables is not None and tables.asymmetric,
    }
    return call_worker(made, "deploy" if whole else "lower", arguments, read.folder).result


def gather(model: Model, read: Transformed, answer: Mapping[str, Any], folder: Path) -> tuple[str, ...]:
    """Move what a build leaves behind into `folder` and delete the rest, except for the log; returns the names.

    The chip's file comes first. The weights keep their name, which the lowered module refers to.
    """
    write_json_atomic(folder / NAMES, lookup_of(model, read.names).to_json())
    moved = [(answer["module"], LOWERED), (answer["weights"], answer["weights"])]
    if "model" in answer:
        moved.insert(0, (answer["model"], answer["model"]))
        moved += [(name, name) for name in answer["estimates"]]
    moved += [(name, name) for name in (CALIBRATION, MODES) if (read.folder / name).is_file()]
    with explained_write_errors(folder):
        for source, target in moved:
            (read.folder / source).replace(folder / target)
        for rest in read.folder.iterdir():
            if rest.name != "log.txt":
                shutil.rmtree(rest) if rest.is_dir() else rest.unlink()
    return tuple(dict.fromkeys([*(target for _, target in moved), NAMES]))


def lookup_in(folder: Path) -> Lookup:
    """Whose the names of a module in a folder are."""
    return Lookup.from_json(json.loads((folder / NAMES).read_text(encoding="utf-8")))


def module_in(folder: Path) -> tuple[list[MlirOp], Lookup]:
    """The lowered module in a folder, and whose its names are."""
    return parse_mlir((folder / LOWERED).read_text(encoding="utf-8")), lookup_in(folder)


def module_files(folder: Path, files: Sequence[str]) -> list[Path]:
    """The lowered module and its weights."""
    return [folder / name for name in (LOWERED, *(name for name in files if name.endswith(".npz")))]


def identity(chip: Simulation, lowered: Simulation, feeds: Sequence[Feeds]) -> dict[str, Any]:
    """How far the chip's file on the vendor's model of the chip is from the lowered module.

    Returns:
        `samples`; `same`: whether all outputs are equal bit by bit; `largest`: largest difference; `relative_l2` of all
        values together.
    """
    largest, squares, whole = 0.0, 0.0, 0.0
    same = True
    for ours, theirs in zip(lowered.run(feeds), chip.run(feeds), strict=True):
        for a, b in zip(ours, theirs, strict=True):
            difference = a.astype(np.float64).ravel() - b.astype(np.float64).ravel()
            same = same and not difference.any()
            largest = max(largest, float(np.abs(difference).max(initial=0.0)))
            squares += float(np.square(difference).sum())
            whole += float(np.square(a.astype(np.float64)).sum())
    relative = float(np.sqrt(squares / whole)) if whole else float(squares > 0)
    return {"samples": len(feeds), "same": same, "largest": largest, "relative_l2": relative}


def _measured(model: Model, wanted: Sequence[str], samples: Samples | None) -> dict[str, Range]:
    if not wanted or samples is None:
        return {}
    found = collect_statistics(model, list(wanted), samples(_RANGE_IMAGES), histogram=False)
    return {name: entry.range_with_zero for name, entry in found.items()}


def check_inputs(model: Model, ops: Sequence[MlirOp]) -> None:
    """TPU-MLIR takes a shape that the model cannot have, and computes nonsense; so its answer is looked at."""
    found = {
        name: kind.shape for op in ops if op.kind == "top.Input" for name, kind in zip(op.names, op.types, strict=True)
    }
    wanted = {spec.name: tuple(size or 0 for size in spec.shape) for spec in model.inputs}
    if found != wanted:
        raise ToolchainError(
            "TPU-MLIR read other inputs than the model has",
            why=f"it has {found}, the model {wanted}",
            todo="report this with the model",
        )
