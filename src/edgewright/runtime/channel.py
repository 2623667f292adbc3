"""A bounded queue between two threads that either side can end, with the reason."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Generic, TypeVar

T = TypeVar("T")


class Abandoned(Exception):
    """The reader is gone: nobody wants what is put."""


class Channel(Generic[T]):
    """First in, first out; the writer waits while it is full, the reader while it is empty.

    Unlike `queue.Queue` it can be ended by both sides without a message in the queue and without polling.

    Args:
        depth: largest number of items that wait; 1 or more.
    """

    def __init__(self, depth: int) -> None:
        if depth < 1:
            raise ValueError(f"depth must be 1 or more, but got {depth}")
        self._depth = depth
        self._items: deque[T] = deque()
        self._changed = threading.Condition()
        self._finished = False
        self._abandoned = False
        self._error: BaseException | None = None

    def put(self, item: T) -> None:
        """Hand an item over; waits for room.

        Raises:
            Abandoned: the reader will not come back.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._abandoned or len(self._items) < self._depth)
            if self._abandoned:
                raise Abandoned
            self._items.append(item)
            self._changed.notify_all()

    def finish(self, error: BaseException | None = None) -> None:
        """Nothing more comes; the reader gets what waits, then `error`."""
        with self._changed:
            self._finished, self._error = True, self._error or error
            self._changed.notify_all()

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Do a writer's work; its end, good or bad, is told to the reader, who raises what it ended with."""
        try:
            yield
        except Abandoned:
            self.finish()
        except BaseException as error:  # noqa: BLE001 - raised in the reader's thread
            self.finish(error)
        else:
            self.finish()

    def abandon(self) -> None:
        """Nobody reads on: the writer is told at its next item, and what waits is dropped."""
        with self._changed:
            self._abandoned = True
            self._items.clear()
            self._changed.notify_all()

    def __iter__(self) -> Iterator[T]:
        """Items in order until the writer finishes.

        Raises:
            BaseException: what the writer finished with.
        """
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._items or self._finished or self._abandoned)
                if not self._items:
                    if self._error is not None and not self._abandoned:
                        raise self._error
                    return
                item = self._items.popleft()
                self._changed.notify_all()
            yield item
