"""Activations whose grid ends before their values do, where the values beyond make most of the error."""

from __future__ import annotations

from edgewright.diagnose.causes.base import CAUSES, CauseContext, damage_by, share_of
from edgewright.diagnose.causes.bulk import clipped_share, rounding_error
from edgewright.diagnose.causes.say import cause, harm, percent, user_name
from edgewright.diagnose.tensor_error import TensorError
from edgewright.findings import Finding
from edgewright.tensors import Grid

_MOST = 0.5
"""A range chosen for the least squared error trades clipping for rounding; beyond half it has clipped too much."""


@CAUSES.register("clipped")
def clipped(context: CauseContext) -> list[Finding]:
    """Report tensors that lose more by clipping than by rounding."""
    found = []
    for error, grid in context.owned():
        damage = damage_by(error, error.grid)
        if error.saturated <= 0 or not context.matters(error, share_of(error, error.grid)):
            continue
        share = _share(context, error, grid)
        if share >= _MOST:
            found.append(_finding(context, error, grid, share, damage))
    return found


def _share(context: CauseContext, error: TensorError, grid: Grid) -> float:
    """Share of the tensor's own squared error that clipping makes; 0 where calibration saw nothing of it.

    The histogram tells where it saw values that are clipped. Else what is measured beyond rounding is clipping.
    """
    seen = context.seen(error.tensor)
    if seen is None or error.grid is None:
        return 0.0
    if seen.histogram is not None and not _holds(grid, seen.minimum, seen.maximum):
        return clipped_share(seen.histogram, grid)
    expected = rounding_error(seen, grid.step)
    return 1.0 - (expected / error.grid) ** 2 if error.grid > expected else 0.0


def _holds(grid: Grid, low: float, high: float) -> bool:
    return grid.low - grid.step <= low and high <= grid.high + grid.step


def _finding(context: CauseContext, error: TensorError, grid: Grid, share: float, damage: float) -> Finding:
    seen = context.seen(error.tensor)
    unseen = seen is not None and _holds(grid, seen.minimum, seen.maximum)
    why = "calibration saw none of these values" if unseen else "calibration cut them off"
    return cause(
        "EW314",
        error,
        f"{user_name(error)} reaches {error.minimum:.4g}..{error.maximum:.4g}, its {grid.bits}-bit grid ends at "
        f"{grid.low:.4g}..{grid.high:.4g}: {percent(error.saturated)} of the values are clipped and make "
        f"{100 * share:.0f} % of the squared error ({why}); {harm(error)}.",
        {
            "saturated": error.saturated,
            "share": share,
            "low": error.minimum,
            "high": error.maximum,
            "grid": [grid.low, grid.high],
            "step": grid.step,
            "by": "images" if unseen else "observer",
        },
        [*(["more-images"] if unseen else []), "ranges", "16bit", "float"],
        damage,
    )
