"""Locks between processes: who installs or removes an environment is alone, who uses it may have company."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO

from edgewright.files import explained_write_errors

_POLL = 0.2


class Busy(Exception):
    """Another process holds the lock."""


@contextmanager
def alone(path: Path, *, seconds: float, waiting: Callable[[], None] | None = None) -> Iterator[None]:
    """Hold the lock file `path` for oneself.

    Args:
        seconds: how long to wait for others.
        waiting: called once, when there is something to wait for.

    Raises:
        Busy: others held it all that time.
        OutputError: the folder cannot be written.
    """
    with ExitStack() as stack:
        with explained_write_errors(path.parent):
            path.parent.mkdir(parents=True, exist_ok=True)
            file = stack.enter_context(path.open("a+"))
        deadline = time.monotonic() + seconds
        told = False
        while not _lock(file, shared=False):
            if time.monotonic() >= deadline:
                raise Busy
            if waiting and not told:
                waiting()
                told = True
            time.sleep(_POLL)
        yield


@contextmanager
def together(path: Path) -> Iterator[None]:
    """Hold the lock file `path` with other users; nothing is held where there is no such file.

    Raises:
        Busy: another process is changing what the lock guards.
    """
    try:
        file = path.open("r")
    except OSError:  # a cache that was copied here, or that others may only read
        yield
        return
    with file:
        if not _lock(file, shared=True):
            raise Busy
        yield


def _lock(file: IO[str], *, shared: bool) -> bool:
    """Whether the lock was free. It goes when the file is closed, or its process ends in whatever way."""
    try:
        import fcntl
    except ImportError:  # Windows: no vendor's compiler runs there
        return True
    try:
        fcntl.flock(file, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
