"""Activations whose range is set by very few values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from edgewright.diagnose.causes.base import CAUSES, CauseContext, damage_by, share_of
from edgewright.diagnose.causes.bulk import BULK, bulk_range
from edgewright.diagnose.causes.mixed_join import unlike_branches
from edgewright.diagnose.causes.nonlinear import squashes
from edgewright.diagnose.causes.say import cause, harm, steps, user_name
from edgewright.diagnose.tensor_error import TensorError
from edgewright.findings import Finding
from edgewright.tensors import Grid

_RATIO = 4.0
"""Two of eight bits for one value in a thousand: a normal distribution's extremes are 1.5 times its bulk."""
_LEVELS = 64.0
"""What a ratio of 4 leaves of 8 bits; a 16-bit grid has steps enough for both."""


@CAUSES.register("outlier-activations")
def outlier_activations(context: CauseContext) -> list[Finding]:
    """Report tensors of which less than 0.1 % of the values set the range."""
    found = []
    for error, grid in context.owned():
        damage = damage_by(error, error.grid)
        if not context.matters(error, share_of(error, error.grid)):
            continue
        node = context.producer(error.tensor)
        if squashes(node) or (node is not None and unlike_branches(context, node, grid)):
            continue  # few codes behind a sigmoid, softmax or join are a cause of their own
        evidence = outliers(context, error, grid)
        if evidence is not None:
            found.append(_finding(error, grid, evidence, damage))
    return found


def outliers(context: CauseContext, error: TensorError, grid: Grid) -> Mapping[str, Any] | None:
    """Figures of a range that few values set; None where the bulk fills the grid, or no histogram tells."""
    seen = context.seen(error.tensor)
    if seen is None or seen.histogram is None:
        return None
    low, high = bulk_range(seen.histogram, (seen.minimum, seen.maximum))
    least, most = seen.range_with_zero
    width = min(grid.high - grid.low, most - least)  # a grid wider than all values is not the outliers' doing
    steps_left = (high - low) / grid.step
    if high <= low or width < _RATIO * (high - low) or steps_left > _LEVELS:
        return None
    return {
        "step": grid.step,
        "low": seen.minimum,
        "high": seen.maximum,
        "grid": [grid.low, grid.high],
        "bulk": [low, high],
        "share": BULK,
        "ratio": width / (high - low),
        "steps": steps_left,
    }


def _finding(error: TensorError, grid: Grid, evidence: Mapping[str, Any], damage: float) -> Finding:
    low, high = evidence["bulk"]
    return cause(
        "EW312",
        error,
        f"{user_name(error)} gives {evidence['low']:.4g}..{evidence['high']:.4g}, but {100 * BULK:.1f} % of it lies in "
        f"{low:.4g}..{high:.4g}: the bulk keeps {steps(evidence['steps'])} of its {grid.bits}-bit grid; {harm(error)}.",
        evidence,
        ["ranges", "16bit", "float"],
        damage,
    )
