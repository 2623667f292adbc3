"""Ops that lose more through their weights than through their activations, with no channel that stands out."""

from __future__ import annotations

import math

from edgewright.diagnose.causes.base import CAUSES, CauseContext, damage_by, share_of
from edgewright.diagnose.causes.say import cause, harm, percent, user_name
from edgewright.diagnose.causes.weights import weight_loss, weighted_node
from edgewright.findings import Finding

_MOST = math.sqrt(0.5)
"""Half of the squared error: errors of weights and of activations are independent, so their squares add."""


@CAUSES.register("weight-error")
def weight_error(context: CauseContext) -> list[Finding]:
    """Report ops whose isolated error comes from their weights."""
    found = []
    for error in context.errors.values():
        if error.weight is None or error.isolated is None or error.weight < _MOST * error.isolated:
            continue
        damage = damage_by(error, error.weight)
        if not context.matters(error, share_of(error, error.weight)):
            continue
        node = weighted_node(context, error)
        if node is not None and weight_loss(context, node) is not None:
            continue  # uneven-weights says more
        share = min(1.0, (error.weight / error.isolated) ** 2)
        found.append(
            cause(
                "EW319",
                error,
                f"{user_name(error)} is {percent(error.isolated)} off, and {percent(error.weight)} come from its "
                f"weights ({100 * share:.0f} % of the squared error): wider activations cannot mend it; {harm(error)}.",
                {"weight_error": error.weight, "share": share},
                ["bias-correction", "weight-rounding", "float"],
                damage,
            )
        )
    return found
