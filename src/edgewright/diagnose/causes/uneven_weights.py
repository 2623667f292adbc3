"""Weights of which some channels, or the bulk of one, get few steps."""

from __future__ import annotations

from edgewright.diagnose.causes.base import CAUSES, CauseContext, damage_by, share_of
from edgewright.diagnose.causes.say import cause, harm, percent, steps, user_name
from edgewright.diagnose.causes.weights import WeightLoss, weight_loss, weighted_node
from edgewright.diagnose.tensor_error import TensorError
from edgewright.findings import Finding
from edgewright.tensors import QUANTISED_DTYPES

_KEPT = 16
"""Channels that are listed in the evidence."""


@CAUSES.register("uneven-weights")
def uneven_weights(context: CauseContext) -> list[Finding]:
    """Report weights whose channels differ too much for one step, or whose channels hold outliers."""
    found = []
    for error in context.errors.values():
        damage = damage_by(error, error.weight)
        node = weighted_node(context, error) if context.matters(error, share_of(error, error.weight)) else None
        loss = None if node is None else weight_loss(context, node)
        if loss is not None:
            found.append(_finding(context, error, loss, damage))
    return found


def _finding(context: CauseContext, error: TensorError, loss: WeightLoss, damage: float) -> Finding:
    starved = len(loss.channels)
    if loss.kind == "uneven":
        seen = (
            f"has one weight step for {'depthwise ' if loss.depthwise else ''}channels that differ in size by "
            f"{loss.ratio:.0f}: {starved} of {loss.count} lose more than 2.5 %, the worst keeps {steps(loss.steps)} "
            f"and loses {percent(loss.worst)}"
        )
    else:
        seen = (
            f"has weights {loss.ratio:.1f} times as large as the rest of their channel: {starved} of {loss.count} "
            f"channels lose more than 2.5 %, the worst {percent(loss.worst)}"
        )
    wider = context.profile.weight_dtypes.get("int16", "int8")
    fits = ["16bit"] if QUANTISED_DTYPES[wider][1] > QUANTISED_DTYPES["int8"][1] else []
    return cause(
        "EW313",
        error,
        f"{user_name(error)} {seen}; {harm(error)}.",
        {
            "weight": loss.tensor,
            "kind": loss.kind,
            "depthwise": loss.depthwise,
            "ratio": loss.ratio,
            "steps": loss.steps,
            "worst_channel_error": loss.worst,
            "channels": list(loss.channels[:_KEPT]),
            "starved": starved,
            "count": loss.count,
            "weight_error": error.weight,
        },
        ["equalise", "bias-correction", "weight-rounding", *fits, "float"],
        damage,
    )
