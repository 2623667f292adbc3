"""A Concat whose one grid joins operands of unlike size.

The static rule of the same code (`checks.mixed_range`) knows ranges only and keeps to those that must fail. Here the
damage is known, so milder mixtures in the middle of the network count too.
"""

from __future__ import annotations

import onnx_ir as ir

from edgewright.diagnose.causes.base import CAUSES, MUCH, CauseContext, damage_of
from edgewright.diagnose.causes.bulk import rounding_error
from edgewright.diagnose.causes.operands import Branch, branches
from edgewright.diagnose.causes.say import cause, harm, percent, steps, user_name
from edgewright.diagnose.tensor_error import TensorError
from edgewright.findings import Finding
from edgewright.tensors import Grid

_RATIO = 8.0
"""Three bits: the smaller operand keeps 32 of 256 values, the first number at which a nonlinearity shows the steps."""
_LEVELS = 32.0
"""The same as a number of steps: a 16-bit grid has enough for both."""


@CAUSES.register("mixed-join")
def mixed_join(context: CauseContext) -> list[Finding]:
    """Report joins in which one operand keeps few of the grid's steps."""
    found = []
    for node in context.on_codes():
        name = node.outputs[0].name or ""
        grid, error = context.plan.activations.get(name), context.errors.get(name)
        if grid is None or error is None:
            continue
        joined = unlike_branches(context, node, grid)
        if joined:
            lost = _lost(context, joined[0], grid)
            # a join's relative L2 is that of its large operand; what the small one loses shows in effects, or in itself
            damage = damage_of(error) if error.effects else max(damage_of(error), lost)
            if context.matters(error) or (not error.effects and lost >= MUCH):
                found.append(_finding(context, node, error, grid, joined, lost, damage))
    return found


def unlike_branches(context: CauseContext, node: ir.Node, grid: Grid) -> list[Branch]:
    """The operands of a Concat, by steps, where the smallest keeps too few beside the largest; else none."""
    if node.op_type != "Concat":
        return []
    joined = branches(context, node, grid.step)
    unlike = len(joined) > 1 and joined[-1].width >= _RATIO * joined[0].width and joined[0].steps <= _LEVELS
    return joined if unlike else []


def _lost(context: CauseContext, small: Branch, grid: Grid) -> float:
    seen = context.seen(small.tensor)
    return 0.0 if seen is None else rounding_error(seen, grid.step)


def _finding(
    context: CauseContext,
    node: ir.Node,
    error: TensorError,
    grid: Grid,
    joined: list[Branch],
    lost: float,
    damage: float,
) -> Finding:
    small, large = joined[0], joined[-1]
    end = f"; {harm(error)}" if error.effects else f" and is {percent(lost)} off"
    return cause(
        "EW301",
        error,
        f"{user_name(error)} joins {large} and {small} on one {grid.bits}-bit grid of step {grid.step:.3g}: "
        f"the smaller one keeps {steps(small.steps)}{end}.",
        {
            "step": grid.step,
            "steps": small.steps,
            "small": {"tensor": small.tensor, "low": small.low, "high": small.high},
            "large": {"tensor": large.tensor, "low": large.low, "high": large.high},
            "operands": [one.to_json() for one in joined],
            "lost": lost,
        },
        _remedies(context, node),
        damage,
    )


def _remedies(context: CauseContext, node: ir.Node) -> list[str]:
    if node.name in context.tail or node.outputs[0].is_graph_output():
        return ["split-outputs", "rescale-boxes", "cut-tail", "16bit", "float"]
    readers = [usage.node for usage in node.outputs[0].uses()]
    split = ["split-joins"] if len(readers) == 1 and readers[0].op_type == "Conv" else []
    return [*split, "ranges", "16bit", "float"]
