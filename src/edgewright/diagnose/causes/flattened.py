"""Grids spent on values that the next op flattens: the far negative side in front of a SiLU.

Without a fused activation the tensor in front of it has a grid, and that grid covers -170 as well as 20, though every
value below -8 gives the same result. The steps are missing where the activation is curved.
"""

from __future__ import annotations

import math

import onnx_ir as ir

from edgewright.diagnose.causes.base import CAUSES, CauseContext, damage_by, share_of
from edgewright.diagnose.causes.nonlinear import gate_of
from edgewright.diagnose.causes.say import cause, harm, percent, steps, user_name
from edgewright.findings import Finding
from edgewright.quant.statistics import Range

_WASTED = 0.5
"""One of eight bits is spent on values of no consequence."""
_ALIKE: dict[str, Range] = {
    "Sigmoid": (-7.0, 7.0),
    "Tanh": (-4.0, 4.0),
    "HardSigmoid": (-3.0, 3.0),
    "Relu": (0.0, math.inf),
    "Softplus": (-7.0, math.inf),
    "HardSwish": (-3.0, math.inf),
    "Elu": (-7.0, math.inf),
    "Gelu": (-4.0, math.inf),
}
"""Input range outside of which an op's result is within 0.001 of its limit, a quarter of a step of 1/256."""
_SILU = (-8.0, math.inf)
"""x * sigmoid(x) is -0.0027 at -8 and comes back to 0 from there."""


@CAUSES.register("flattened")
def flattened(context: CauseContext) -> list[Finding]:
    """Report grids of which more than half serve values that all their readers flatten."""
    found = []
    for error, grid in context.owned():
        if not context.matters(error, share_of(error, error.grid)):
            continue
        node = context.producer(error.tensor)
        value = None if node is None else next(one for one in node.outputs if one.name == error.tensor)
        low, high = _useful(value) if value is not None else (-math.inf, math.inf)
        low, high = max(low, grid.low), min(high, grid.high)
        wasted = 1.0 - max(0.0, high - low) / (grid.high - grid.low)
        if wasted < _WASTED or grid.bits > 8:
            continue
        found.append(
            cause(
                "EW322",
                error,
                f"{user_name(error)} has a grid of {grid.low:.4g}..{grid.high:.4g}, but the activation behind it is "
                f"flat outside {low:.4g}..{high:.4g}: {percent(wasted)} of the grid is spent on values that make no "
                f"difference, and {steps((high - low) / grid.step)} are left for the others; {harm(error)}.",
                {
                    "grid": [grid.low, grid.high],
                    "useful": [low, high],
                    "wasted": wasted,
                    "step": grid.step,
                    "steps": (high - low) / grid.step,
                },
                ["ranges", "16bit", "float"],
                damage_by(error, error.grid),
            )
        )
    return found


def _useful(value: ir.Value) -> Range:
    """The range that makes a difference to some reader."""
    readers = [usage.node for usage in value.uses()]
    if value.is_graph_output() or not readers:
        return -math.inf, math.inf
    ranges = [_SILU if _is_silu_of(node, value) else _ALIKE.get(node.op_type) for node in readers]
    known = [one for one in ranges if one is not None]
    if len(known) < len(ranges):
        return -math.inf, math.inf
    return min(one[0] for one in known), max(one[1] for one in known)


def _is_silu_of(node: ir.Node, value: ir.Value) -> bool:
    gate = gate_of(node)
    return gate is not None and gate.op_type == "Sigmoid" and gate.inputs[0] is value
