"""Latency of sessions on this host, interleaved so that a drifting clock speed hits all of them alike."""

from __future__ import annotations

import statistics
import time
from collections.abc import Mapping, Sequence
from typing import Any

from numpy.typing import NDArray

from edgewright.findings import Finding, Severity
from edgewright.targets.backend import SelfTimed, Session
from edgewright.verify.results import Latency

_MIN_RUNS, _MAX_RUNS = 15, 200
FASTER = 0.95
"""Below this ratio int8 counts as faster: closer than 5 % is noise on a shared machine, and not worth a point of AP."""


def measure_latency(
    sessions: Mapping[str, Session], feeds: Mapping[str, NDArray[Any]], *, seconds: float = 1.5, threads: int
) -> dict[str, Latency]:
    """Median and 90th percentile of one run with batch 1, for each session.

    Args:
        sessions: what to time, by name.
        feeds: one sample.
        seconds: time to spend on all of them together, roughly.
        threads: what the sessions were opened with; told in the note.
    """
    alone = {name: _own_clock(session, feeds, seconds) for name, session in sessions.items()}
    told = {name: latency for name, latency in alone.items() if latency is not None}
    here = {name: session for name, session in sessions.items() if name not in told}
    measured = _interleaved(here, feeds, seconds, threads) if here else {}
    return {name: told.get(name) or measured[name] for name in sessions}


def _interleaved(
    sessions: Mapping[str, Session], feeds: Mapping[str, NDArray[Any]], seconds: float, threads: int
) -> dict[str, Latency]:
    once = sum(_time(session, feeds) for session in sessions.values())  # the first run allocates and warms caches
    once = min(once, sum(_time(session, feeds) for session in sessions.values()))
    runs = max(_MIN_RUNS, min(_MAX_RUNS, int(seconds / max(once, 1e-6))))
    times: dict[str, list[float]] = {name: [] for name in sessions}
    for _ in range(runs):
        for name, session in sessions.items():
            times[name].append(_time(session, feeds))
    note = f"interleaved, batch 1, {threads} thread{'s' if threads != 1 else ''}"
    return {name: _latency(taken, note) for name, taken in times.items()}


def _own_clock(session: Session, feeds: Mapping[str, NDArray[Any]], seconds: float) -> Latency | None:
    """What a session that starts a process for each call measures inside it; None for one that does not."""
    if not isinstance(session, SelfTimed) or not session.keeps_time:
        return None
    taken, note = session.time_runs(feeds, seconds, _MIN_RUNS, _MAX_RUNS)
    return _latency(taken, note)


def _latency(taken: Sequence[float], note: str) -> Latency:
    return Latency(
        median_ms=round(1e3 * statistics.median(taken), 3),
        p90_ms=round(1e3 * sorted(taken)[int(0.9 * (len(taken) - 1))], 3),
        source="measured",
        runs=len(taken),
        note=note,
    )


def slower_finding(float_latency: Latency, name: str, latency: Latency) -> Finding | None:
    """EW501 when a quantised variant is not faster than the float one."""
    ratio = latency.median_ms / float_latency.median_ms if float_latency.median_ms else 1.0
    if ratio < FASTER:
        return None
    measured = latency.source == "measured"
    told = "" if measured else f" ({latency.source}: {latency.note})"
    where = "on this host" if measured else "on this target"
    return Finding(
        "EW501",
        Severity.WARNING,
        name,
        f"{name} takes {latency.median_ms:.2f} ms and float {float_latency.median_ms:.2f} ms{told}: it is not faster "
        f"{where}.",
        {"int8_ms": latency.median_ms, "float_ms": float_latency.median_ms, "ratio": round(ratio, 3)},
        "Ship the float artifact on this target, or measure on the device that will run it.",
    )


def _time(session: Session, feeds: Mapping[str, NDArray[Any]]) -> float:
    started = time.perf_counter()
    session(feeds)
    return time.perf_counter() - started
