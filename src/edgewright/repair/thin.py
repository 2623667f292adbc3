"""Leaving steps out of a chosen set: a step may have become needless beside the others."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from edgewright.repair.widening import Step

_MOST = 8
"""Steps that are tried, the costliest; each costs a trial."""


def thin_out(steps: Sequence[Step], good: Callable[[Sequence[Step]], bool]) -> tuple[Step, ...]:
    """Steps without those that change nothing, the costliest tried first.

    Args:
        good: whether a smaller set is as good as the whole one.
    """
    before = (0.0, *(step.macs for step in steps))
    cost = {step.tensor: step.macs - macs for step, macs in zip(steps, before, strict=False)}
    kept = tuple(steps)
    for step in sorted(steps, key=lambda step: (-cost[step.tensor], step.gain))[:_MOST]:
        fewer = tuple(entry for entry in kept if entry is not step)
        if cost[step.tensor] > 0 and fewer and good(fewer):
            kept = fewer
    return kept
