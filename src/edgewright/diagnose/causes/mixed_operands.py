"""Add, Sub, Mul and Div whose operands or factors do not suit one grid.

- Sum: an operand smaller than a few steps of the result's grid vanishes in it.
- Difference: an operand much larger than the result brings the step of its own grid, which is coarse for the result.
- Product with a constant of unlike values (strides 8, 16, 32): all positions share the grid of the largest factor.

A product of two activations of unlike size is none: relative errors of factors add, whatever their sizes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import onnx_ir as ir

from edgewright.diagnose.causes.base import CAUSES, CauseContext, damage_of
from edgewright.diagnose.causes.operands import Branch, branches, constants
from edgewright.diagnose.causes.say import cause, harm, steps, user_name
from edgewright.diagnose.tensor_error import TensorError
from edgewright.findings import Finding
from edgewright.tensors import Grid

_FEW_STEPS = 8.0
"""An operand whose whole range spans fewer steps of the result has lost its differences (as in `checks`)."""
_COARSE = 8.0
"""An operand whose grid is this many times wider than the result leaves it 32 of 256 steps."""
_SPREAD = 4.0
"""Factors this far apart take two bits from the positions with the smallest one."""

_Seen = tuple[str, Mapping[str, Any]]


@CAUSES.register("mixed-operands")
def mixed_operands(context: CauseContext) -> list[Finding]:
    """Report sums, differences and products with operands of unlike size."""
    found = []
    for node in context.on_codes():
        name = node.outputs[0].name or ""
        grid, error = context.plan.activations.get(name), context.errors.get(name)
        if grid is None or error is None or not context.matters(error):
            continue
        seen: _Seen | None = None
        if node.op_type in ("Add", "Sub", "Sum"):
            seen = _vanishing(context, node, grid) or _coarse(context, node, error)
        elif node.op_type in ("Mul", "Div"):
            seen = _unlike_factors(context, node, grid)
        if seen is not None:
            found.append(_finding(context, node, error, grid, *seen))
    return found


def _vanishing(context: CauseContext, node: ir.Node, grid: Grid) -> _Seen | None:
    """A sum in which a computed operand falls between two steps. A constant carries no image, so it may vanish."""
    operands = branches(context, node, grid.step)
    if not operands or operands[0].steps >= _FEW_STEPS:
        return None
    small = operands[0]
    text = (
        f"adds {small} to what spans {grid.low:.4g}..{grid.high:.4g} in steps of {grid.step:.3g}: the smaller operand "
        f"keeps {steps(small.steps)}"
    )
    told = [one.to_json() for one in operands]
    return text, {"form": "vanishing", "step": grid.step, "steps": small.steps, "operands": told}


def _coarse(context: CauseContext, node: ir.Node, error: TensorError) -> _Seen | None:
    """A small result of large operands, each of which comes in the steps of its own grid."""
    result = error.maximum - error.minimum
    worst: tuple[Branch, float] | None = None
    for operand in branches(context, node, 1.0):
        own = context.plan.grid_seen(operand.tensor, node.name or "")
        # the grid's width, for it holds 0 even where the operand (500..512) is far from it
        if own is not None and result > 0 and own.high - own.low >= _COARSE * result:
            worst = (operand, own.step) if worst is None or own.step > worst[1] else worst
    if worst is None:
        return None
    operand, step = worst
    text = (
        f"takes {operand} in steps of {step:.3g}, and its result spans {error.minimum:.4g}..{error.maximum:.4g}: "
        f"{steps(result / step)} of the operand"
    )
    return text, {
        "form": "coarse",
        "step": step,
        "steps": result / step,
        "operands": [{**operand.to_json(), "steps": operand.width / step}],
    }


def _unlike_factors(context: CauseContext, node: ir.Node, grid: Grid) -> _Seen | None:
    for name, values in constants(node):
        sizes = np.abs(values[values != 0])
        if node.op_type == "Div":
            if node.inputs[1] is None or node.inputs[1].name != name:
                continue  # a constant that is divided is not a factor
            sizes = 1.0 / sizes
        if sizes.size < 2 or sizes.max() < _SPREAD * sizes.min() or grid.bits > 8:
            continue
        left = (grid.high - grid.low) / grid.step * float(sizes.min() / sizes.max())
        own = context.plan.weights.get(name)
        text = (
            f"multiplies by factors from {sizes.min():.4g} to {sizes.max():.4g} ({name}) onto one {grid.bits}-bit grid "
            f"of step {grid.step:.3g}: where the factor is smallest, {steps(left)} are left"
        )
        return text, {
            "form": "factors",
            "step": grid.step,
            "steps": left,
            "factors": {"tensor": name, "smallest": float(sizes.min()), "largest": float(sizes.max())},
            "operands": [one.to_json() for one in branches(context, node, grid.step)],
            "factor_steps": None if own is None else float(np.abs(values[values != 0]).min() / own.step),
        }
    return None


def _finding(
    context: CauseContext, node: ir.Node, error: TensorError, grid: Grid, text: str, evidence: Mapping[str, Any]
) -> Finding:
    tail = ["rescale-boxes", "cut-tail"] if node.name in context.tail else ["ranges"]
    return cause(
        "EW311",
        error,
        f"{user_name(error)} {text}; {harm(error)}.",
        {"bits": grid.bits, **evidence},
        [*tail, "16bit", "float"],
        damage_of(error),
    )
