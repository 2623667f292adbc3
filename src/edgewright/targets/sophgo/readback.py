"""What the compiler did with a plan: counts, grids that it changed, modes that it did not honour."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from edgewright.errors import ToolchainError
from edgewright.findings import listed
from edgewright.quant.plan import PrecisionPlan
from edgewright.targets.sophgo.lowered import conversions
from edgewright.targets.sophgo.mlir import MlirOp, computed, tensor_types
from edgewright.targets.sophgo.plan import Tables
from edgewright.targets.sophgo.tables import row_of

_RUNTIME = re.compile(r"runtime:\s*([\d.]+)\s*ms")
_MOVES = frozenset({"tpu.Reshape", "tpu.Squeeze", "tpu.Unsqueeze", "tpu.Permute", "tpu.Slice", "tpu.Tile"})
"""Ops that TPU-MLIR leaves on codes behind an 8-bit op whatever the table says: they change no value."""
_WEIGHTED = frozenset({"tpu.Conv2D", "tpu.Conv3D", "tpu.Deconv", "tpu.MatMul"})
_SEVERAL = 3
"""Layers with weights behind a float sum that make more of a last digit than a step here and there."""
_SAME = 1e-4
"""Relative difference of two steps that seven digits in a table and float32 explain."""


def float_before_codes(lowered: Sequence[MlirOp]) -> list[str]:
    """Tensors that are computed in float and then put on codes, with several layers of weights behind them.

    The order of float sums is the processor's own: the last digit differs between the chip and the module's
    interpreter. A value that happens to lie between two codes then falls on the other one, and 8-bit layers behind it
    make another rounding error of that, larger with each: both are right, but not the same.
    """
    types = tensor_types(lowered)
    makers = {name: op for op in lowered for name in op.names}
    behind = _layers_behind(lowered)
    found = set()
    for op in computed(lowered):
        source = makers.get(op.operands[0]) if op.converts and op.operands else None
        if source is None or not source.computes or source.converts:
            continue
        on_codes = types[op.names[0]].scale is not None and types[op.operands[0]].precision == "float"
        if on_codes and behind.get(op.names[0], 0) >= _SEVERAL:
            found.add(op.operands[0])
    return sorted(found)


def _layers_behind(lowered: Sequence[MlirOp]) -> dict[str, int]:
    """Layers with weights on the longest way from each tensor to the end."""
    found: dict[str, int] = {}
    for op in reversed(lowered):
        here = max((found.get(name, 0) for name in op.names), default=0) + (op.kind in _WEIGHTED)
        for operand in op.operands:
            if operand:
                found[operand] = max(found.get(operand, 0), here)
    return found


def counts(lowered: Sequence[MlirOp]) -> dict[str, Any]:
    """Numbers of ops by the precision of what they make, without conversions: `int8`, `int16`, `float`."""
    types = tensor_types(lowered)
    kinds = Counter(types[op.names[0]].precision for op in computed(lowered) if not op.converts and op.names)
    return {**{width: kinds[width] for width in ("int8", "int16", "float")}, "conversions": conversions(lowered)}


def check_modes(lowered: Sequence[MlirOp], tables: Tables) -> list[str]:
    """Ops that were to be in 8 bits and are in float: TPU-MLIR has no such kernel, or no shift that fits.

    Raises:
        ToolchainError: an op that was to be in float is in 8 bits, or its name is not known to the compiler.
    """
    types = tensor_types(lowered)
    moved = {name for op in lowered if op.kind in _MOVES for name in op.names}
    ignored = [
        name
        for name in tables.modes
        if name in types and name not in moved and types[name].precision in ("int8", "int16")
    ]
    if ignored:
        raise ToolchainError(
            f"TPU-MLIR computes {len(ignored)} ops in 8 bits that the plan has in float: {listed(ignored)}",
            why="it ignored lines of the quantisation table without a word",
            todo="report this with the model; the tables lie in the run directory",
        )
    rows = {row.name for row in tables.rows}
    return [
        name
        for op in computed(lowered)
        if not op.converts
        for name in op.names
        if name in rows and name not in tables.modes and types[name].precision == "float"
    ]


def changed_grids(asked: PrecisionPlan, built: PrecisionPlan) -> dict[str, list[float]]:
    """Tensors on another grid than the plan's: step that was asked for and step that was built.

    TPU-MLIR puts an asymmetric range on the symmetric grid that holds it, and lets neighbours share one
    (calibration_process in lib/Conversion/TopToTpu/TopToTpuPass.cpp). Of the first only what is beyond it counts.
    """
    found: dict[str, list[float]] = {}
    for tensor, grid in built.activations.items():
        wanted = asked.activations.get(tensor)
        if wanted is None:
            continue
        reach = row_of(tensor, wanted).threshold, row_of(tensor, grid).threshold
        if abs(reach[0] - reach[1]) > max(_SAME * reach[0], 1.5 * wanted.step):
            found[tensor] = [round(wanted.step, 9), round(grid.step, 9)]
    return found


def estimated_ms(folder: Path, name: str) -> float | None:
    """Time of one run by the compiler's own static model of the chip; None where it wrote none."""
    try:
        text = (folder / name).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    found = _RUNTIME.findall(text)
    return round(sum(float(number) for number in found), 4) if found else None


def describe(differences: Mapping[str, Sequence[float]]) -> str:
    """Changed grids in a sentence's end: the worst ones first."""
    worst = sorted(differences, key=lambda name: -abs(differences[name][1] / differences[name][0] - 1))
    return listed([f"{name} ({differences[name][0]:.3g} to {differences[name][1]:.3g})" for name in worst])
