"""Nonlinearities behind which the values that count get few codes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from edgewright.diagnose.causes.base import CAUSES, CauseContext, damage_by, share_of
from edgewright.diagnose.causes.bulk import BULK, bulk_range, share_below
from edgewright.diagnose.causes.nonlinear import has_small_tail, squashes
from edgewright.diagnose.causes.outlier_activations import outliers
from edgewright.diagnose.causes.say import cause, harm, percent, steps, user_name
from edgewright.diagnose.tensor_error import TensorError
from edgewright.findings import Finding
from edgewright.tensors import Grid

_LEVELS = 16.0
"""A 1/16 of an 8-bit grid: differences between scores are mostly gone below (as for outputs, EW407)."""
_TAIL_LEVELS = 4.0
"""A negative tail of fewer codes than this is a staircase: its minimum and its slopes are gone."""
_TAIL_SHARE = 0.25
"""Share of the values in the tail from which on it carries the tensor's content."""
_SMALL = 0.5
"""SiLU ends at -0.28, HardSwish at -0.375, Mish at -0.31, Gelu at -0.17; what goes further down is no such tail."""


@CAUSES.register("few-levels")
def few_levels(context: CauseContext) -> list[Finding]:
    """Report sigmoids, softmaxes and their kin whose bulk lies on a few codes, and tails of SiLU that do."""
    found = []
    for error, grid in context.owned():
        damage = damage_by(error, error.grid)
        if not context.matters(error, share_of(error, error.grid)):
            continue
        made_by = context.producer(error.tensor)
        seen: tuple[str, Mapping[str, Any]] | None = None
        if squashes(made_by):
            seen = _bulk(context, error, grid)
        elif has_small_tail(made_by) and outliers(context, error, grid) is None:
            seen = _tail(context, error, grid)
        if seen is not None:
            text, evidence = seen
            told = {"step": grid.step, "grid": [grid.low, grid.high], **evidence}
            remedies = ["cut-tail"] if error.op in context.tail else ["ranges"]
            message = f"{user_name(error)} {text}; {harm(error)}."
            found.append(cause("EW315", error, message, told, [*remedies, "16bit", "float"], damage))
    return found


def _bulk(context: CauseContext, error: TensorError, grid: Grid) -> tuple[str, Mapping[str, Any]] | None:
    seen = context.seen(error.tensor)
    if seen is None or seen.histogram is None:
        return None
    low, high = bulk_range(seen.histogram, (seen.minimum, seen.maximum))
    levels = (high - low) / grid.step
    if levels > _LEVELS:
        return None
    text = (
        f"({error.op_type}) gives {100 * BULK:.1f} % of its values in {low:.3g}..{high:.3g}: they keep {steps(levels)} "
        f"of {grid.step:.3g} on its {grid.bits}-bit grid"
    )
    return text, {"form": "bulk", "bulk": [low, high], "share": BULK, "levels": levels}


def _tail(context: CauseContext, error: TensorError, grid: Grid) -> tuple[str, Mapping[str, Any]] | None:
    seen = context.seen(error.tensor)
    if seen is None or seen.histogram is None or not -_SMALL <= seen.minimum < 0:
        return None
    levels, share = -seen.minimum / grid.step, share_below(seen.histogram, 0.0)
    if levels >= _TAIL_LEVELS or share < _TAIL_SHARE:
        return None
    text = (
        f"has {percent(share)} of its values in the negative tail {seen.minimum:.3g}..0 of its activation, which keeps "
        f"{steps(levels)} of {grid.step:.3g}"
    )
    return text, {"form": "tail", "bulk": [seen.minimum, 0.0], "share": share, "levels": levels}
