"""How a vendor's process ended when it did not answer as it should."""

from __future__ import annotations

import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from edgewright.errors import ToolchainError
from edgewright.toolchains.causes import Cause, LogRule, explain, last_lines

DeathKind = Literal["signal", "timeout", "memory", "exception", "no-answer", "bad-answer"]

_SIGNALS = {
    signal.SIGSEGV: "a segmentation fault",
    signal.SIGABRT: "it aborted itself",
    signal.SIGILL: "an instruction that this processor does not have",
    signal.SIGFPE: "an arithmetic error",
    signal.SIGBUS: "a bus error: a full disk under a mapped file, or a damaged file",
    signal.SIGKILL: "it was killed from outside: the system may be out of memory",
    signal.SIGTERM: "it was ended from outside",
}


@dataclass(frozen=True)
class Death:
    """What is known of a call that failed.

    Attributes:
        kind: how it ended.
        what: the same for people.
        signal: name of the signal ("SIGSEGV"), empty for other kinds.
        status: exit status, None when a signal or we ended it.
        error: type, message and traceback of the worker's exception; empty for other kinds.
        cause: what a known line of the log says of it.
        lines: last lines of the log that mean something.
        seconds, peak_mb: how long it ran, and the most memory that was seen.
    """

    kind: DeathKind
    what: str
    signal: str = ""
    status: int | None = None
    error: Mapping[str, str] | None = None
    cause: Cause | None = None
    lines: tuple[str, ...] = ()
    seconds: float = 0.0
    peak_mb: float = 0.0

    def to_json(self) -> dict[str, Any]:
        """The death as JSON data."""
        data = dict(self.__dict__)
        data["error"] = dict(self.error) if self.error else None
        data["cause"] = dict(self.cause.__dict__) if self.cause else None
        data["lines"] = list(self.lines)
        return data


class WorkerFailed(ToolchainError):
    """A call of a vendor's tool failed; `death` says how."""

    def __init__(self, what: str, death: Death, *, log: Path) -> None:
        super().__init__(what, why=_why(death), todo=death.cause.remedy if death.cause else "", log=str(log))
        self.death = death


def failed(title: str, command: str, death: Death, log: Path) -> WorkerFailed:
    """The error for a death, in words."""
    return WorkerFailed(f"{title} failed at {command!r}: {death.what}", death, log=log)


def with_log(death: Death, log: str, rules: Sequence[LogRule], version: str) -> Death:
    """A death with what its log says."""
    said = log + "".join(f"\n{value}" for value in (death.error or {}).values())
    return Death(
        **{
            **death.__dict__,
            "cause": explain(said, rules, version),
            "lines": tuple(last_lines(log)),
        }
    )


def by_signal(number: int) -> Death:
    """Death by a signal that was not ours."""
    try:
        known = signal.Signals(number)
    except ValueError:
        return Death("signal", f"signal {number}", signal=str(number))
    return Death("signal", f"{_SIGNALS.get(known, 'ended by a signal')} ({known.name})", signal=known.name)


def _why(death: Death) -> str:
    if death.cause is not None:
        return f"{death.cause.cause} (its log: {death.cause.line})"
    if death.lines:
        return "the cause is not known; its log ends with\n" + "\n".join(f"         {line}" for line in death.lines)
    return "its log is empty"
