"""How long vendors' processes ran: what is left of the time of a job is ours."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass


@dataclass
class ToolClock:
    """Time of vendors' processes, from start to end.

    Attributes:
        seconds: wall time.
        calls: number of processes.
    """

    seconds: float = 0.0
    calls: int = 0


_RUNNING: ContextVar[ToolClock | None] = ContextVar("edgewright_tool_clock", default=None)


@contextmanager
def tool_clock() -> Iterator[ToolClock]:
    """Counts what this thread spends in vendors' processes within the `with`."""
    clock = ToolClock()
    token = _RUNNING.set(clock)
    try:
        yield clock
    finally:
        _RUNNING.reset(token)


def count_call(seconds: float) -> None:
    """A vendor's process has ended after so many seconds."""
    clock = _RUNNING.get()
    if clock is not None:
        clock.seconds += seconds
        clock.calls += 1
