"""Limits of a vendor's process: seconds, and memory of the whole family of processes."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

import psutil  # type: ignore[import-untyped]

_STACK_SECONDS = 0.5


@dataclass(frozen=True)
class Limits:
    """How much a call may take.

    Attributes:
        seconds: of time; everything is killed after them.
        memory_mb: of memory in use (1e6 bytes), by all processes of the call together. Address space is not limited:
            vendors' libraries reserve much more of it than they use.
    """

    seconds: float
    memory_mb: float = 16000.0


class Family:
    """All processes of one call: the leader of a session and whatever it started.

    Args:
        leader: process id of the leader, which was started in a session of its own and has not been waited for: its id
            cannot have been given to another process.
    """

    def __init__(self, leader: int) -> None:
        self.leader = leader
        self.peak_mb = 0.0

    def exited(self) -> bool:
        """Whether the leader has ended; it stays unreaped, so that its id stays taken."""
        return os.waitid(os.P_PID, self.leader, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None

    def memory_mb(self, limit: float) -> float:
        """Memory that all of them use, MB.

        Resident memory counts pages that several processes share once for each. That is cheap to ask for, so the exact
        figure (proportional set size) is asked for only where the cheap one is over `limit`.
        """
        used = sum(self._memory(exact=False))
        if used > limit:
            used = sum(self._memory(exact=True))
        self.peak_mb = max(self.peak_mb, used)
        return used

    def kill(self) -> None:
        """End all of them at once. Those that one of them starts meanwhile are found in the next round."""
        for _ in range(50):
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self.leader, signal.SIGKILL)
            others = [process for process in self._members() if process != self.leader]
            for process in others:
                with suppress(ProcessLookupError, PermissionError):
                    os.kill(process, signal.SIGKILL)
            if not others:
                return
            time.sleep(0.01)

    def ask_for_stacks(self) -> None:
        """Let the leader write its Python stacks into the log; a worker that is not set up for it ends."""
        with suppress(ProcessLookupError, PermissionError):
            os.kill(self.leader, signal.SIGUSR1)
        time.sleep(_STACK_SECONDS)

    def _members(self) -> Iterator[int]:
        for process in psutil.pids():
            with suppress(ProcessLookupError, PermissionError):
                if os.getsid(process) == self.leader and not _is_zombie(process):
                    yield process

    def _memory(self, *, exact: bool) -> Iterator[float]:
        for member in self._members():
            with suppress(psutil.Error):
                process = psutil.Process(member)
                yield (process.memory_full_info().pss if exact else process.memory_info().rss) / 1e6


def _is_zombie(process: int) -> bool:
    try:
        return bool(psutil.Process(process).status() == psutil.STATUS_ZOMBIE)
    except psutil.Error:
        return True
