"""How long vendors' processes ran: what is left of the time of a job is ours."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar


class ToolClock:
    """Time in which at least one of a vendor's processes ran, from start to end.

    Attributes:
        calls: number of processes.
    """

    def __init__(self) -> None:
        self.calls = 0
        self._lock = threading.Lock()
        self._running = 0
        self._since = 0.0
        self._done = 0.0

    @property
    def seconds(self) -> float:
        """Wall time up to now; processes that run side by side count once."""
        with self._lock:
            return self._done + (time.monotonic() - self._since if self._running else 0.0)

    @contextmanager
    def call(self) -> Iterator[None]:
        """One process runs within the `with`."""
        with self._lock:
            if not self._running:
                self._since = time.monotonic()
            self._running += 1
            self.calls += 1
        try:
            yield
        finally:
            with self._lock:
                self._running -= 1
                if not self._running:
                    self._done += time.monotonic() - self._since


_RUNNING: ContextVar[ToolClock | None] = ContextVar("edgewright_tool_clock", default=None)


@contextmanager
def tool_clock() -> Iterator[ToolClock]:
    """Counts what this thread spends in vendors' processes within the `with`, and those that take `same_clock`."""
    clock = ToolClock()
    token = _RUNNING.set(clock)
    try:
        yield clock
    finally:
        _RUNNING.reset(token)


def same_clock() -> Callable[[], None]:
    """For the start of another thread (`initializer` of a pool), to count for this one: threads do not inherit it."""
    clock = _RUNNING.get()

    def share() -> None:
        _RUNNING.set(clock)

    return share


@contextmanager
def counted_call() -> Iterator[None]:
    """A vendor's process runs within the `with`."""
    clock = _RUNNING.get()
    if clock is None:
        yield
        return
    with clock.call():
        yield
