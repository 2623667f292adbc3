"""Work of this process that goes on in a thread while another waits for a vendor's process."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from types import TracebackType
from typing import Generic, TypeVar

from typing_extensions import Self

T = TypeVar("T")


class Shared(Generic[T]):
    """What `itertools.tee` does, for readers in different threads.

    Args:
        source: read by one reader at a time, whichever comes first.
        readers: how many there will be.
    """

    def __init__(self, source: Iterable[T], readers: int) -> None:
        self._source = iter(source)
        self._lock = threading.Lock()
        self._waiting: list[deque[T]] = [deque() for _ in range(readers)]

    def reader(self, index: int) -> Iterator[T]:
        """Everything of the source, in order; what other readers have not seen yet is kept for them."""
        mine = self._waiting[index]
        while True:
            with self._lock:
                if not mine:
                    try:
                        item = next(self._source)
                    except StopIteration:
                        return
                    for waiting in self._waiting:
                        waiting.append(item)
                item = mine.popleft()
            yield item


class Ahead(Generic[T]):
    """An iterator that is read in a thread of its own, ahead of whoever takes its items; use it in a `with`.

    Args:
        source: read in the thread. It must give items soon, one by one: only between two items can it be stopped.
        size: of an item, bytes.
        most: bytes that may lie ready.
    """

    def __init__(self, source: Iterator[T], size: Callable[[T], int], most: int) -> None:
        self._source, self._size, self._most = source, size, most
        self._ready: deque[tuple[T, int]] = deque()
        self._bytes = 0
        self._ended = self._stopped = False
        self._error: BaseException | None = None
        self._change = threading.Condition()
        self._thread = threading.Thread(target=self._read, name="edgewright-ahead", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._change:
            self._stopped = True
            self._change.notify_all()
        self._thread.join()

    def __iter__(self) -> Iterator[T]:
        """The items, in order; what the source raised is raised here."""
        while True:
            with self._change:
                self._change.wait_for(lambda: self._ready or self._ended)
                if not self._ready:
                    if self._error is not None:
                        raise self._error
                    return
                item, size = self._ready.popleft()
                self._bytes -= size
                self._change.notify_all()
            yield item

    def _read(self) -> None:
        try:
            for item in self._source:
                size = self._size(item)
                with self._change:
                    self._change.wait_for(lambda: self._stopped or not self._ready or self._bytes < self._most)
                    if self._stopped:
                        return
                    self._ready.append((item, size))
                    self._bytes += size
                    self._change.notify_all()
        except BaseException as error:  # noqa: BLE001 - raised again where the items are taken
            self._error = error
        finally:
            with self._change:
                self._ended = True
                self._change.notify_all()
