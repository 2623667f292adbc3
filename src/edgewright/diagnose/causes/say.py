"""The common form of a cause: the user's name for the op, what it costs, remedies in order of cost."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

from edgewright.diagnose.tensor_error import TensorError
from edgewright.findings import Finding, Severity, listed

REMEDIES: dict[str, str] = {
    "plain-forms": "write the activation in a form that the target fuses",
    "split-outputs": "give the branches outputs of their own",
    "rescale-boxes": "divide the boxes by a constant in the graph and multiply when decoding",
    "equalise": "move the scale of each channel into the layer behind",
    "split-joins": "give each branch a Conv of its own in place of the join",
    "cut-tail": "decode on the host, from the raw heads",
    "ranges": "choose the range by the error that it causes downstream",
    "bias-correction": "correct the biases for the mean error of the weights",
    "more-images": "calibrate on more, or more varied, images",
    "weight-rounding": "round the weights by what they do to the data",
    "16bit": "16 bits for this tensor",
    "float": "compute this op in float",
}
"""Remedies that a cause may call for, cheapest first: exact rewrites, calibration, wider types."""

_FATAL = 0.5
"""A part that is off by half of its size holds nothing that a decoder can use."""


def user_name(error: TensorError) -> str:
    """The op as the user's file names it; the prepared name where nothing is known, the tensor's for an input."""
    return listed(error.source_ops, 1) if error.source_ops else error.op or error.tensor


def in_order(names: Iterable[str]) -> list[str]:
    """Names of remedies, cheapest first.

    Raises:
        ValueError: a name is no remedy's.
    """
    wanted = set(names)
    unknown = wanted - set(REMEDIES)
    if unknown:
        raise ValueError(f"no remedy is called {', '.join(sorted(unknown))}")
    return [name for name in REMEDIES if name in wanted]


def advice(names: Iterable[str]) -> str:
    """What to do, as a sentence: the cheapest in words, the others by name."""
    ordered = in_order(names)
    if not ordered:
        return ""
    words = REMEDIES[ordered[0]]
    others = f"; if that is not enough: {', '.join(ordered[1:])}" if len(ordered) > 1 else ""
    return f"{words[0].upper()}{words[1:]} ({ordered[0]}){others}."


def percent(value: float | None) -> str:
    """A relative error in percent, with two digits; what cannot be told as one is said in words."""
    if value is None or not math.isfinite(value):
        return "wholly"
    return f"{100 * value:.0f} %" if value >= 0.1 else f"{100 * value:.2g} %"


def harm(error: TensorError) -> str:
    """What the op does by itself, as the end of a sentence."""
    if error.effects:
        part = max(error.effects, key=lambda name: error.effects[name])
        return f"alone it puts {part} {percent(error.effects[part])} off"
    if error.isolated is None:
        return "its result holds NaN or Inf"
    return f"alone it is {percent(error.isolated)} off"


def steps(number: float) -> str:
    """A number of steps of a grid, in words."""
    text = f"{number:.0f}" if number >= 10 else f"{number:.2g}"
    return "1 step" if text == "1" else f"{text} steps"


def cause(
    code: str,
    error: TensorError,
    message: str,
    evidence: Mapping[str, Any],
    remedies: Iterable[str],
    damage: float,
) -> Finding:
    """A finding about one tensor, with what every cause tells of it.

    Args:
        code: of the catalogue.
        error: the tensor.
        message: one or two sentences.
        evidence: figures of this cause, JSON types.
        remedies: names in any order.
        damage: what it costs, relative L2; not finite is told as None.
    """
    ordered = in_order(remedies)
    finite = damage if math.isfinite(damage) else None
    told = {
        "node": error.op,
        "op": error.op_type,
        "tensor": error.tensor,
        "source_ops": list(error.source_ops),
        "region": error.region,
        "isolated": error.isolated,
        "effects": {part: effect if math.isfinite(effect) else None for part, effect in error.effects.items()},
        "damage": finite,
        "remedies": ordered,
    }
    severity = Severity.ERROR if finite is None or finite >= _FATAL else Severity.WARNING
    return Finding(code, severity, user_name(error), message, {**told, **evidence}, advice(ordered))
