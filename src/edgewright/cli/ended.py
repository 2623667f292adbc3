"""`kill`, `timeout` and a closed terminal end a command as Ctrl-C does: what is half done is taken away first."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

_SHELL_SIGNAL = 128
"""A shell tells a death by a signal as this plus its number."""


class Ended(KeyboardInterrupt):
    """The process was asked to end; `status` is the exit status to end with."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.status = _SHELL_SIGNAL + number


@contextmanager
def ended_cleanly() -> Iterator[None]:
    """Raise `Ended` where these signals would end the process at once; outside the main thread they cannot be had."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    numbers = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
    # one that is ignored stays so: `nohup` asks for that
    before: dict[int, Any] = {number: signal.getsignal(number) for number in numbers}
    caught = [number for number, handler in before.items() if handler is signal.SIG_DFL]
    for number in caught:
        signal.signal(number, _raise)
    try:
        yield
    finally:
        for number in caught:
            signal.signal(number, before[number])


def _raise(number: int, frame: FrameType | None) -> None:
    del frame
    raise Ended(number)
