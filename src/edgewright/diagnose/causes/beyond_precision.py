"""Error that stays when every op has 16 bits: no precision change of this tool can mend it."""

from __future__ import annotations

import math

from edgewright.diagnose.causes.base import CAUSES, CauseContext, share_of
from edgewright.diagnose.causes.say import advice, percent, user_name
from edgewright.findings import Finding, Severity, listed

_REMAINS = 0.15
"""Weights stay at 8 bits, and score maps are off by 5 to 10 % for that alone without any loss of the task metric."""
_MOST = 0.5
"""Where 16 bits halve the error of a part, precision is the cause of most of it."""
_WEIGHTS = 0.5
"""Share of what remains from which on the 8-bit weights explain it."""


@CAUSES.register("beyond-precision")
def beyond_precision(context: CauseContext) -> list[Finding]:
    """Report parts whose error stays at 16 bits, and whether the weights, still at 8, explain it."""
    found = []
    for part, floor in (context.floor or {}).items():
        now = context.parts.get(part)
        lost = floor if math.isfinite(floor) else math.inf
        if lost < _REMAINS or (now is not None and math.isfinite(now) and lost < _MOST * now):
            continue
        found.append(_finding(context, part, lost, now))
    return found


def _finding(context: CauseContext, part: str, floor: float, now: float | None) -> Finding:
    costs = {
        error.tensor: error.effects[part] * share_of(error, error.weight)
        for error in context.errors.values()
        if part in error.effects and error.weight is not None
    }
    weights = math.sqrt(sum(cost * cost for cost in costs.values()))
    explained = math.isfinite(floor) and weights >= _WEIGHTS * floor
    worst = sorted((name for name in costs if costs[name] > 0), key=lambda name: -costs[name])
    names = [user_name(context.errors[name]) for name in worst]
    before = f" (as planned: {percent(now)})" if now is not None else ""
    if explained:
        why = f"the weights, which keep 8 bits, explain it: {listed(names)}"
        remedies = ["bias-correction", "weight-rounding", "float"]
        todo = advice(remedies)
    else:
        why = "no precision change of this tool can mend that"
        remedies = []
        todo = (
            "Look for an op that the target computes differently in float too; else it takes quantisation-aware "
            "training, another head or another target."
        )
    return Finding(
        "EW321",
        Severity.ERROR,
        part,
        f"{part} stays {percent(floor)} off with every op at 16 bits{before}: {why}.",
        {
            "part": part,
            "floor": floor if math.isfinite(floor) else None,
            "planned": now if now is not None and math.isfinite(now) else None,
            "weights": weights,
            "worst": worst[:5],
            "damage": floor if math.isfinite(floor) else None,
            "remedies": remedies,
        },
        todo,
    )
