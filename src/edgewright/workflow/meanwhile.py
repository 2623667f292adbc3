"""Work of ours that is done while the main thread waits for a vendor's process."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from types import TracebackType
from typing import Generic, TypeVar

from typing_extensions import Self

from edgewright.workflow.progress import Progress

T = TypeVar("T")


class _Stopped(Exception):
    """Nobody waits for the result any more."""


class _Stoppable:
    """Progress that shows nothing, for the bar of the main thread is there, and that ends the work on demand."""

    def __init__(self) -> None:
        self.stopped = threading.Event()

    @contextmanager
    def step(self, name: str, total: int | None = None) -> Iterator[Callable[[], None]]:
        """See `Progress.step`."""
        del name, total
        yield self._advance

    def _advance(self) -> None:
        if self.stopped.is_set():
            raise _Stopped


class Meanwhile(Generic[T]):
    """One piece of work in a thread; use it in a `with`, at whose end the work is done, or given up after an error.

    Vendors' processes are waited for in the main thread alone, where Ctrl-C ends them.
    """

    def __init__(self) -> None:
        self._progress = _Stoppable()
        self._pool = ThreadPoolExecutor(1, "edgewright-meanwhile")
        self._future: Future[T] | None = None

    def start(self, work: Callable[[Progress], T]) -> None:
        """Begin; `work` must tell the progress of its units, between which it can be stopped."""
        self._future = self._pool.submit(work, self._progress)

    def result(self) -> T | None:
        """What came out, after waiting for it; None where nothing was begun. What it raised is raised here."""
        return None if self._future is None else self._future.result()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            self._progress.stopped.set()
        self._pool.shutdown(wait=True)
