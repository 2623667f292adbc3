"""One 8-bit grid that joins tensors of different size: boxes in pixels and scores in 0..1.

Known before anything is built, from the plan's grids and the ranges that calibration saw; how much is lost is then
counted on a few samples.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from edgewright.checks.base import CHECKS, CheckContext
from edgewright.findings import Finding, Severity
from edgewright.graph.model import Model
from edgewright.graph.reference import ReferenceSession
from edgewright.quant.fusion import activation_inputs
from edgewright.quant.statistics import TensorStatistics
from edgewright.tensors import Grid

_RATIO = 32.0
"""Ranges this far apart leave the smaller one 8 of 256 values when the grid covers the larger one."""
_FEW_STEPS = 8.0
"""A branch whose whole range spans fewer steps than this has lost its differences."""
_COVERED = 0.7
"""A grid that covers less of the larger branch than this was fitted to the smaller one: the larger one saturates."""


@dataclass(frozen=True)
class _Branch:
    tensor: str
    low: float
    high: float
    steps: float


@CHECKS.register("mixed-range")
def mixed_range(context: CheckContext) -> list[Finding]:
    """Findings for every join of unlike ranges, worst first."""
    plan, model = context.plan, context.model
    if plan is None or model is None:
        return []
    suspects: list[tuple[ir.Node, Grid, _Branch, _Branch]] = []
    for node in model.ir.graph:
        grid = plan.activations.get(node.outputs[0].name or "") if node.outputs else None
        if (
            node.op_type != "Concat"
            or grid is None
            or grid.bits > 8
            or plan.ops.get(node.name or "", "float") == "float"
        ):
            continue
        branches = [branch for value in activation_inputs(node) if (branch := _branch(value, grid, context))]
        branches = sorted((branch for branch in branches if branch.high > branch.low), key=lambda one: one.steps)
        if len(branches) > 1 and _collide(branches[0], branches[-1], grid):
            suspects.append((node, grid, branches[0], branches[-1]))
    losses = _count_losses(model, [(node, grid, small) for node, grid, small, _ in suspects], context)
    found = [_finding(*suspect, loss) for suspect, loss in zip(suspects, losses, strict=True)]
    return sorted(found, key=lambda finding: finding.evidence["steps"])


def _branch(value: ir.Value, grid: Grid, context: CheckContext) -> _Branch | None:
    name = value.name or ""
    seen: TensorStatistics | None = context.statistics.get(context.leaders.get(name, name))
    if seen is None or seen.count == 0:
        return None
    return _Branch(name, seen.minimum, seen.maximum, (seen.maximum - seen.minimum) / grid.step)


def _collide(small: _Branch, large: _Branch, grid: Grid) -> bool:
    if large.steps < _RATIO * small.steps:
        return False
    return small.steps < _FEW_STEPS or _covered(large, grid) < _COVERED


def _covered(branch: _Branch, grid: Grid) -> float:
    inside = min(branch.high, grid.high) - max(branch.low, grid.low)
    return max(0.0, inside) / (branch.high - branch.low)


@dataclass(frozen=True)
class _Loss:
    """How many positions of an image lose every value of the small branch, on average over the samples."""

    lost: int
    positions: int


def _count_losses(model: Model, joins: list[tuple[ir.Node, Grid, _Branch]], context: CheckContext) -> list[_Loss]:
    if not joins or not context.samples:
        return [_Loss(0, 0) for _ in joins]
    session = ReferenceSession(_showing(model, [branch.tensor for _, _, branch in joins]).data, name=model.name)
    totals = np.zeros((len(joins), 2), np.int64)
    for sample in context.samples:
        shown = dict.fromkeys(branch.tensor for _, _, branch in joins if branch.tensor not in sample)
        found = {**sample, **session(sample, list(shown))}
        for index, (node, grid, branch) in enumerate(joins):
            values = found[branch.tensor]
            axis = node.attributes.get_int("axis", 0)
            rounded = np.abs(grid.dequantise(grid.quantise(values))).max(axis=axis)
            alive = np.abs(values).max(axis=axis) > 0
            totals[index] += (int((alive & (rounded == 0)).sum()), alive.size)
    per_image = np.rint(totals / len(context.samples)).astype(int)
    return [_Loss(int(lost), int(positions)) for lost, positions in per_image]


def _showing(model: Model, tensors: list[str]) -> Model:
    changed = model.clone()
    outputs = {value.name for value in changed.graph.outputs}
    for node in changed.graph:
        for value in node.outputs:
            if value.name in tensors and value.name not in outputs:
                value.dtype = ir.DataType.FLOAT
                changed.graph.outputs.append(value)
                outputs.add(value.name)
    return Model(changed)


def _finding(node: ir.Node, grid: Grid, small: _Branch, large: _Branch, loss: _Loss) -> Finding:
    covered = _covered(large, grid)
    if covered < _COVERED:
        damage = f"the grid ends at {grid.high:.4g}, so the larger one saturates"
    elif loss.positions:
        damage = f"{loss.lost} of {loss.positions} positions lose every value of the smaller one"
    else:
        damage = f"the smaller one spans {small.steps:.2g} steps"
    fatal = covered < _COVERED or small.steps < 1.0 or (loss.positions > 0 and loss.lost > loss.positions // 2)
    return Finding(
        "EW301",
        Severity.ERROR if fatal else Severity.WARNING,
        node.name or "",
        f"{node.name} joins {large.tensor} ({large.low:.4g}..{large.high:.4g}) and {small.tensor} "
        f"({small.low:.4g}..{small.high:.4g}) on one {grid.bits}-bit grid of step {grid.step:.3g}: {damage}.",
        {
            "op": node.op_type,
            "step": grid.step,
            "steps": small.steps,
            "small": {"tensor": small.tensor, "low": small.low, "high": small.high},
            "large": {"tensor": large.tensor, "low": large.low, "high": large.high},
            "large_covered": covered,
            "positions_lost": loss.lost,
            "positions": loss.positions,
        },
        "Keep the decode tail in float, or give the two branches outputs of their own.",
    )
