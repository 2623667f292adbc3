"""What a worker left behind: a result, or how it died."""

from __future__ import annotations

import json
import signal
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgewright.toolchains.deaths import Death, by_signal

SCHEMA = 1
REPLY = "reply.json"
_SHELL_SIGNAL = 128
"""A shell, or a tool that passes a child's death on, ends with this plus the number of the signal."""
_MOST_LOG_BYTES = 4_000_000
"""Of a log's end, read to explain a failure; the file itself is kept whole."""


@dataclass(frozen=True)
class End:
    """How the process ended: its exit status, or minus a signal; and whether we killed it, and for what."""

    status: int
    seconds: float
    peak_mb: float
    killed: Death | None


def outcome(ended: End, folder: Path) -> Mapping[str, Any] | Death:
    """The result, or the death: signal before hang before exception before answer."""
    if ended.killed is not None:
        return ended.killed
    if ended.status < 0:
        return by_signal(-ended.status)
    try:
        data = json.loads((folder / REPLY).read_text(encoding="utf-8"))
    except FileNotFoundError:
        if ended.status - _SHELL_SIGNAL in signal.valid_signals():
            return by_signal(ended.status - _SHELL_SIGNAL)
        return Death("no-answer", f"it ended with status {ended.status} and left no answer", status=ended.status)
    except (OSError, ValueError) as error:
        return Death("bad-answer", f"its answer cannot be read ({error})", status=ended.status)
    problem = _problem(data)
    if problem:
        return Death("bad-answer", f"its answer is not of the agreed form: {problem}", status=ended.status)
    if data["ok"]:
        return dict(data["result"])
    fault = data["error"]
    return Death("exception", f"{fault['type']}: {fault['message']}"[:500], status=ended.status, error=fault)


def _problem(data: Any) -> str:
    """What is wrong with the form of an answer; empty when nothing is."""
    if not isinstance(data, dict):
        return "no JSON object"
    if data.get("schema") != SCHEMA:
        return f"schema {data.get('schema')!r}"
    if data.get("ok") is True:
        return "" if isinstance(data.get("result"), dict) else "no result"
    if data.get("ok") is False:
        fault = data.get("error")
        fields = ("type", "message", "traceback")
        told = isinstance(fault, dict) and all(isinstance(fault.get(field), str) for field in fields)
        return "" if told else "no error"
    return "neither right nor wrong"


def read_log(log: Path, begin: int) -> str:
    """What this call wrote, or the end of it."""
    try:
        with log.open("rb") as file:
            file.seek(max(begin, log.stat().st_size - _MOST_LOG_BYTES))
            return file.read().decode("utf-8", "replace")
    except OSError:
        return ""
