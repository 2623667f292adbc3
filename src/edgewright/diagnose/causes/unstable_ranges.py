"""Ranges that depend on which calibration images were drawn, of tensors that matter.

EW206 says it of the set of images; this says where it costs something.
"""

from __future__ import annotations

from edgewright.diagnose.causes.base import CAUSES, CauseContext, damage_by, share_of
from edgewright.diagnose.causes.say import cause, harm, user_name
from edgewright.findings import Finding
from edgewright.quant.stability import half_range_change

_MOVES = 0.25
"""Change of a range, relative to its width, that two bits of an 8-bit grid cannot hide (as for EW206)."""


@CAUSES.register("unstable-ranges")
def unstable_ranges(context: CauseContext) -> list[Finding]:
    """Report tensors whose range moves between even and odd calibration images."""
    found = []
    for error, grid in context.owned():
        damage = damage_by(error, error.grid)
        seen = context.seen(error.tensor)
        change = None if seen is None else half_range_change(seen)
        if (
            seen is None
            or change is None
            or change <= _MOVES
            or not context.matters(error, share_of(error, error.grid))
        ):
            continue
        even, odd = (half or (0.0, 0.0) for half in seen.halves)
        found.append(
            cause(
                "EW317",
                error,
                f"The range of {user_name(error)} moves by {100 * change:.0f} % between even ({even[0]:.4g}.."
                f"{even[1]:.4g}) and odd ({odd[0]:.4g}..{odd[1]:.4g}) calibration images, so its grid "
                f"({grid.low:.4g}..{grid.high:.4g}) hangs on the draw; {harm(error)}.",
                {
                    "change": change,
                    "even": list(even),
                    "odd": list(odd),
                    "images": seen.images,
                    "grid": [grid.low, grid.high],
                },
                ["ranges", "more-images", "16bit"],
                damage,
            )
        )
    return found
