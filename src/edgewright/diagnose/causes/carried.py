"""Victims: tensors that are far off though their own op loses little, and the culprits before them."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import onnx_ir as ir

from edgewright.diagnose.causes.base import CAUSES, CauseContext, damage_of
from edgewright.diagnose.causes.say import cause, percent, user_name
from edgewright.diagnose.tensor_error import TensorError
from edgewright.findings import Finding, Severity

_CARRIED = 4.0
"""An op that makes less than 1/16 of its squared error is no culprit."""
_OFF = 0.05
"""What an op far down a healthy 8-bit network has as well (five layers of 2 % each)."""
_NAMED = 5
"""Culprits that are told; their share says whether that is enough."""


@CAUSES.register("carried")
def carried(context: CauseContext) -> list[Finding]:
    """Report the victim that stands last and is furthest off, with the ops that did it. One finding at most."""
    victims = {error.tensor: error for error in context.errors.values() if _is_victim(error)}
    last = _last(context, victims)
    if not last:
        return []
    victim = max(last, key=lambda error: (_or_inf(error.accumulated), error.depth))
    before = _tensors_before(context, victim.tensor)
    part = _worst_part(context)
    weight: Callable[[TensorError], float] = (
        (lambda error: error.effects.get(part, 0.0)) if part else lambda error: _or_inf(error.isolated)
    )
    suspects = [
        error
        for name, error in context.errors.items()
        if name in before and context.leaders.get(name, name) == name and weight(error) > 0
    ]
    suspects.sort(key=lambda error: (-weight(error), error.depth))
    return [_finding(victim, part, suspects, weight)] if suspects else []


def _is_victim(error: TensorError) -> bool:
    if error.isolated is None or not error.op:
        return False
    off, own = _or_inf(error.accumulated), max(error.isolated, damage_of(error))
    return off >= _OFF and off >= _CARRIED * own


def _last(context: CauseContext, victims: dict[str, TensorError]) -> list[TensorError]:
    """Victims that no other victim depends on."""
    earlier: set[str] = set()
    for name in victims:
        if name not in earlier:
            earlier |= _tensors_before(context, name)
    return [error for name, error in victims.items() if name not in earlier]


def _tensors_before(context: CauseContext, tensor: str) -> set[str]:
    """Names of all tensors that a tensor is computed from."""
    found: set[str] = set()
    stack: list[ir.Node | None] = [context.producer(tensor)]
    while stack:
        node = stack.pop()
        for value in node.inputs if node is not None else ():
            if value is not None and value.name and value.name not in found:
                found.add(value.name)
                stack.append(value.producer())
    return found


def _worst_part(context: CauseContext) -> str:
    """The part that is furthest off: as measured, else by the root of the sum of squared effects; "" if unknown."""
    known = {part for error in context.errors.values() for part in error.effects}
    if not known:
        return ""
    measured = {part: off for part, off in context.parts.items() if part in known}
    summed = {part: sum(error.effects.get(part, 0.0) ** 2 for error in context.errors.values()) for part in known}
    ranked = measured or summed
    return max(sorted(ranked), key=lambda part: ranked[part])


def _or_inf(value: float | None) -> float:
    return math.inf if value is None else value


def _finding(
    victim: TensorError, part: str, suspects: list[TensorError], weight: Callable[[TensorError], float]
) -> Finding:
    named = suspects[:_NAMED]
    total = sum(weight(error) ** 2 for error in suspects)
    share = 1.0 if not math.isfinite(total) else sum(weight(error) ** 2 for error in named) / total
    told = [f"{user_name(error)} ({percent(weight(error))})" for error in named]
    unit = f"of {part}" if part else "each by itself"
    text = told[0] if len(told) == 1 else f"{', '.join(told[:-1])} and {told[-1]}"
    finding = cause(
        "EW320",
        victim,
        f"{user_name(victim)} is {percent(victim.accumulated)} off, but only {percent(victim.isolated)} by itself: the "
        f"rest is carried to it, {100 * share:.0f} % of it (squared) from {text}, {unit}.",
        {
            "accumulated": victim.accumulated,
            "part": part,
            "culprits": [
                {
                    "node": error.op,
                    "tensor": error.tensor,
                    "source_ops": list(error.source_ops),
                    "error": weight(error) if math.isfinite(weight(error)) else None,
                }
                for error in named
            ],
            "share": share,
            "suspects": len(suspects),
        },
        [],
        damage_of(victim),
    )
    return replace(finding, severity=Severity.INFO, remedy="Mend the ops named, not this one.")
