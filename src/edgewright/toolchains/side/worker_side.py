# ruff: noqa: UP006, UP035 - runs on a vendor's Python, 3.6 and later: no newer syntax, only the standard library
"""The worker's half of the contract: read `request.json`, call the command, leave `reply.json`.

A vendor's script ends with

    main({"build": build, "run": run})

where each command takes the request's arguments as a dict and returns a dict of JSON types. It works in the call's
folder; arrays are .npy or .npz files there, named in arguments and results.
"""

import ctypes
import faulthandler
import json
import os
import signal
import sys
import threading
import traceback
from contextlib import suppress
from pathlib import Path
from typing import Any, Callable, Dict

SCHEMA = 1
REPLY = "reply.json"
LIFELINE = "EDGEWRIGHT_LIFELINE"
"""Names the file descriptor of a pipe whose other end the host holds as long as it lives."""

HOME = Path.cwd()
"""The call's folder: a command may change the working directory."""

_LINE_BUFFERED = 1
"""`_IOLBF` of glibc's <stdio.h>."""

Command = Callable[[Dict[str, Any]], Any]


def main(commands: Dict[str, Command]) -> None:
    """Serve one request: `PYTHON script request.json`. Does not return."""
    _watch_host()
    _tell_stacks()
    _write_at_once()
    _look_elsewhere_first()
    try:
        result = _serve(commands)
        reply = {"schema": SCHEMA, "ok": True, "result": {} if result is None else result}
        json.dumps(reply, allow_nan=False)
    except BaseException as error:  # noqa: BLE001 - SystemExit too: vendors' tools call exit() in the middle
        traceback.print_exc()
        told = {"type": type(error).__name__, "message": str(error), "traceback": traceback.format_exc()}
        reply = {"schema": SCHEMA, "ok": False, "error": told}
    _leave(reply)


def _serve(commands: Dict[str, Command]) -> Any:
    request = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    if request["schema"] != SCHEMA:
        raise ValueError(f"request of schema {request['schema']!r}, this worker knows {SCHEMA}")
    if request["command"] not in commands:
        raise ValueError(f"unknown command {request['command']!r}")
    return commands[request["command"]](request["arguments"])


def _leave(reply: Dict[str, Any]) -> None:
    """Write the reply in one step and go, past destructors and exit handlers of libraries that crash in them."""
    place = HOME / REPLY
    partial = HOME / (REPLY + ".partial")
    with partial.open("w", encoding="utf-8") as file:
        json.dump(reply, file, allow_nan=False)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(place)
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).fflush(None)
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError, AttributeError):
            stream.flush()
    os._exit(0 if reply["ok"] else 1)


def _watch_host() -> None:
    """End with the host: a compiler must not go on for hours when the one who asked was killed."""
    number = os.environ.pop(LIFELINE, None)
    if number is None:
        return
    lifeline = int(number)

    def wait() -> None:
        try:
            os.read(lifeline, 1)  # returns when the host is gone
        except OSError:
            return
        os.killpg(os.getpgid(0), signal.SIGKILL)

    threading.Thread(target=wait, daemon=True).start()


def _tell_stacks() -> None:
    """The Python stack goes to the log on a crash, and when the host asks for it at the time limit."""
    faulthandler.enable(all_threads=False)
    faulthandler.register(signal.SIGUSR1, all_threads=True)


def _write_at_once() -> None:
    """C code's standard output goes to the log line by line: what is still in its buffer is lost in a crash."""
    with suppress(OSError, AttributeError, ValueError):
        library = ctypes.CDLL(None)
        library.setvbuf(ctypes.c_void_p.in_dll(library, "stdout"), None, _LINE_BUFFERED, 0)


def _look_elsewhere_first() -> None:
    """Packages go before the files beside the script: a vendor's `plan` or `utils` must not become ours."""
    ours = [str(Path(__file__).resolve().parent), str(Path(sys.argv[0]).resolve().parent)]
    sys.path[:] = [path for path in sys.path if str(Path(path).resolve()) not in ours] + ours
