"""Passed or not: rules that turn figures and findings into a word with its reasons."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from edgewright.findings import Finding, Severity
from edgewright.verify.results import Metric, PartError

MAX_DROP_LABELLED = 1.0
MAX_DROP_AGREEMENT = 5.0
BUILT_WRONG = "EW601"
"""Code of the finding that the built file is not what was planned: no figure of it means anything."""
FLOAT_RELATIVE_L2 = 1e-3
"""A 32-bit float build whose error is larger than this computes something else than the source model."""


@dataclass(frozen=True)
class Limits:
    """What counts as passed.

    Attributes:
        max_drop: allowed drop of the task metric, points.
        max_relative_l2: allowed error of each part where there is no task metric.
        float_relative_l2: allowed error of each part of a float build; wider on chips whose float has 16 bits.
        parts: allowed relative L2 of single parts of a quantised build, whatever the task metric says.
    """

    max_drop: float
    max_relative_l2: float
    float_relative_l2: float = FLOAT_RELATIVE_L2
    parts: Mapping[str, float] = field(default_factory=dict)


def limits(
    max_drop: float | None,
    max_relative_l2: float,
    *,
    labelled: bool,
    float_relative_l2: float = FLOAT_RELATIVE_L2,
    parts: Mapping[str, float] | None = None,
) -> Limits:
    """Limits with the default that fits the metric.

    Agreement with the float model counts every borderline detection that flips, so it falls faster than accuracy on
    labels does; its default is wider.
    """
    default = MAX_DROP_LABELLED if labelled else MAX_DROP_AGREEMENT
    return Limits(default if max_drop is None else max_drop, max_relative_l2, float_relative_l2, dict(parts or {}))


def drop_of(reference: Metric | None, candidate: Metric | None) -> float | None:
    """Points lost against the reference; negative when the candidate is better."""
    if reference is None or candidate is None:
        return None
    gap = reference.value - candidate.value
    return gap if reference.higher_is_better else -gap


def reasons_against(
    drop: float | None,
    errors: Sequence[PartError],
    findings: Sequence[Finding],
    allowed: Limits,
    *,
    is_float: bool = False,
) -> tuple[str, ...]:
    """Why a variant does not pass, one line each; empty when it does.

    A float build is held to `allowed.float_relative_l2` by every part, whatever the task metric says: nothing in it was
    meant to change.
    """
    codes = sorted({finding.code for finding in findings if finding.severity is Severity.ERROR})
    reasons = [f"{', '.join(codes)} below"] if codes else []
    # a drop of 1.04 printed as 1.0 beside a limit of 1.0 would look like a mistake: compare what is printed
    if drop is not None and round(drop, 1) > allowed.max_drop:
        reasons.append(f"drop of {drop:.1f} points, {allowed.max_drop:g} allowed")
    for error in errors:
        limit = _limit_of(error.part, allowed, measured=drop is not None, is_float=is_float)
        if limit is not None and (error.relative_l2 is None or error.relative_l2 > limit):
            shown = "not finite" if error.relative_l2 is None else f"{error.relative_l2:.3g}"
            reasons.append(f"{error.part}: relative L2 {shown}, {limit:.3g} allowed")
    return tuple(reasons)


def _limit_of(part: str, allowed: Limits, *, measured: bool, is_float: bool) -> float | None:
    """Allowed error of a part; None where the task metric decides alone."""
    if is_float:
        return allowed.float_relative_l2
    return allowed.parts.get(part, None if measured else allowed.max_relative_l2)


def worst_error(errors: Sequence[PartError]) -> float | None:
    """Largest relative L2 of all parts; None when one is not finite."""
    values = [error.relative_l2 for error in errors]
    known = [value for value in values if value is not None]
    return max(known, default=0.0) if len(known) == len(values) else None
