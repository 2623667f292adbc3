"""Tensors inside a lowered module, and its ops one by one."""

from __future__ import annotations

import tempfile
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from edgewright.errors import ToolchainError
from edgewright.targets.backend import Feeds, Outputs
from edgewright.targets.sophgo.lowered import Lookup
from edgewright.targets.sophgo.mlir import MlirOp, computed, tensor_types
from edgewright.targets.sophgo.process import call_worker
from edgewright.targets.sophgo.session import link
from edgewright.toolchains.environments import Environment

Step = list[str]
"""`["set", name in TPU-MLIR, tensor]` or `["run", name in TPU-MLIR]`."""

_START_SECONDS, _SAMPLE_SECONDS = 300.0, 240.0


def present_tensors(lowered: Sequence[MlirOp], lookup: Lookup) -> dict[str, str]:
    """Name in a module by tensor of the model, of what it computes in real values or on a grid.

    Its inputs are left out: what is fed is float, and the grid behind it is a tensor of TPU-MLIR's own.
    """
    types = tensor_types(lowered)
    made = (name for op in computed(lowered) for name in op.names)
    return {
        lookup.tensors[name]: name
        for name in made
        if name in lookup.tensors and types[name].precision in ("int8", "int16", "float")
    }


def program(lowered: Sequence[MlirOp], lookup: Lookup, tensors: Collection[str]) -> dict[str, list[Step]]:
    """How each tensor is computed from float values of what its op reads, conversions between the two included.

    An op that reads something that the model does not have, or makes several tensors at once, is left out.
    """
    makers = {name: op for op in lowered if op.computes or op.kind == "top.Input" for name in op.names}
    found: dict[str, list[Step]] = {}
    for tensor, name in present_tensors(lowered, lookup).items():
        op = makers[name]
        if tensor not in tensors or len(op.names) != 1:
            continue
        steps: list[Step] | None = []
        for operand in op.operands:
            if operand in makers and steps is not None:
                before = _steps_to(operand, makers, lookup)
                steps = None if before is None else steps + before
        if steps:
            found[tensor] = [*steps, ["run", name]]
    return found


def _steps_to(name: str, makers: Mapping[str, MlirOp], lookup: Lookup) -> list[Step] | None:
    if name in lookup.tensors:
        return [["set", name, lookup.tensors[name]]]
    op = makers[name]
    if not op.converts or op.operands[0] not in makers:
        return None
    before = _steps_to(op.operands[0], makers, lookup)
    return None if before is None else [*before, ["run", name]]


def errors_alone(
    made: Environment, files: Sequence[Path], steps: Mapping[str, Sequence[Step]], feeds: Feeds, values: Outputs
) -> dict[str, float]:
    """Sum of squared errors of each tensor's op alone on one sample.

    Args:
        files: the lowered module and what it needs.
        steps: from `program`.
        feeds, values: float values of the model's inputs and tensors.
    """
    known = {**feeds, **values}
    wanted = {step[2] for entry in steps.values() for step in entry if step[0] == "set"} | set(steps)
    names = sorted(wanted & set(known))
    kept = {tensor: list(entry) for tensor, entry in steps.items() if _all_known(tensor, entry, known)}
    if not kept:
        return {}
    with tempfile.TemporaryDirectory(prefix="edgewright-sophgo-") as scratch:
        folder = Path(scratch)
        for path in files:
            link(path, folder / path.name)
        arrays: dict[str, Any] = {f"v{index}": np.asarray(known[name], np.float32) for index, name in enumerate(names)}
        np.savez(folder / "values.npz", **arrays)
        arguments = {"module": files[0].name, "values": "values.npz", "names": names, "steps": kept}
        reply = call_worker(made, "alone", arguments, folder, _START_SECONDS + _SAMPLE_SECONDS)
        found = reply.result["squares"]
    if set(found) != set(kept):
        raise ToolchainError("TPU-MLIR answered for other tensors than it was asked for")
    return {name: float(square) for name, square in found.items()}


def _all_known(tensor: str, steps: Iterable[Step], known: Mapping[str, Any]) -> bool:
    return tensor in known and all(step[0] == "run" or step[2] in known for step in steps)
