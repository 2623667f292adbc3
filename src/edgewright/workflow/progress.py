"""How long work tells that it goes on. The command line shows bars; everything else stays quiet."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol


class Progress(Protocol):
    """What a step of the workflow reports to."""

    def step(self, name: str, total: int | None = None) -> AbstractContextManager[Callable[[], None]]:
        """Announce a step of `total` units; the context's value is called after each unit."""


class Quiet:
    """Reports nothing."""

    @contextmanager
    def step(self, name: str, total: int | None = None) -> Iterator[Callable[[], None]]:
        """See `Progress.step`."""
        del name, total
        yield lambda: None
