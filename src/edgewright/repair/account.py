"""What a search says beside its figures: what could not be built, and, when nothing suffices, what it would take."""

from __future__ import annotations

from collections.abc import Collection

from edgewright.findings import Finding, Severity
from edgewright.repair.remedies import KINDS, Kind
from edgewright.repair.result import Entry, SearchResult, loss

_TRAINING = (
    "What is left needs another training or another place: quantisation-aware training, a head without such outputs, "
    "or a target with wider types."
)


def nothing_suffices(result: SearchResult, what: str, allowed: Collection[Kind], budget: str) -> Finding | None:
    """EW605 where a search found nothing that passes.

    Args:
        what: the precision that fell short, for `where`.
        allowed, budget: what could be used, as the user said it.
    """
    best = result.best
    if best is None or best.passed:
        return None
    beyond = result.beyond
    told = f"No repair suffices: the best that was measured, {best.candidate.name}, {_loses(best)}."
    if beyond is not None:
        told += f" With every op in 16 bits it {_loses(beyond)}."
    evidence = {
        "best": best.to_json(),
        "beyond": beyond.to_json() if beyond is not None else None,
        "ended": result.ended,
        "allow": list(allowed),
        "budget": budget,
    }
    return Finding("EW605", Severity.ERROR, what, told, evidence, _what_it_takes(result, allowed, budget))


def unbuilt(result: SearchResult) -> list[Finding]:
    """EW606 for each candidate that the toolchain could not build or run."""
    return [
        Finding(
            "EW606",
            Severity.WARNING,
            entry.candidate.name,
            f"The toolchain fails on this candidate: {entry.confirmation.failed.splitlines()[0]}.",
            {"error": entry.confirmation.failed},
        )
        for entry in result.entries
        if entry.confirmation is not None and entry.confirmation.failed
    ]


def refused(result: SearchResult) -> list[Finding]:
    """EW610 for each remedy that would have changed what the model computes."""
    return [
        Finding("EW610", Severity.WARNING, name, f"Left out of the search: {why}.", {"remedy": name})
        for name, why in result.refused.items()
    ]


def _what_it_takes(result: SearchResult, allowed: Collection[Kind], budget: str) -> str:
    if result.ended:
        return f"The search ended early ({result.ended}): give it more, it goes on where it stopped."
    beyond = result.beyond
    if beyond is not None and beyond.confirmation is not None and beyond.confirmation.passed:
        limits = f" and raise --budget {budget!r}" if budget else ""
        return f"16 bits would do: allow 16bit{limits}."
    missing = [kind for kind in KINDS if kind not in allowed]
    if missing:
        return f"{', '.join(missing)} was not allowed (--allow). {_TRAINING}"
    return _TRAINING


def _loses(entry: Entry) -> str:
    confirmation = entry.confirmation
    if confirmation is not None and confirmation.failed:
        return "cannot be built"
    if confirmation is not None and confirmation.drop is not None:
        return f"loses {confirmation.drop:.1f} points"
    return f"has a relative L2 of {loss(entry):.3g}"
