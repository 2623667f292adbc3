"""What every verb does around its work: errors without traceback, the right exit status, Ctrl-C."""

from __future__ import annotations

import functools
import shlex
import sys
import time
from collections.abc import Callable
from typing import Any, TypeVar

import typer

from edgewright.cli.ended import Ended
from edgewright.errors import EdgewrightError, UserError

F = TypeVar("F", bound=Callable[..., int])
INTERRUPTED = 130
_INTERRUPTED = EdgewrightError("interrupted", todo="the same command goes on where this one stopped")
_NO_MEMORY = EdgewrightError("there is not enough memory", todo="use a smaller input, or a machine with more memory")


def verb(function: F) -> Callable[..., None]:
    """Turn a function that returns an exit status into a command of the command line.

    With `--json`, an error too is one JSON object on standard output.
    """

    @functools.wraps(function)
    def wrapped(**options: Any) -> None:
        started = time.perf_counter()
        try:
            status = function(**options)
        except EdgewrightError as error:
            _tell(error, options, time.perf_counter() - started)
            status = error.exit_status
        except MemoryError:
            _tell(_NO_MEMORY, options, time.perf_counter() - started)
            status = _NO_MEMORY.exit_status
        except KeyboardInterrupt as interruption:
            _tell(_INTERRUPTED, options, time.perf_counter() - started)
            status = interruption.status if isinstance(interruption, Ended) else INTERRUPTED
        except BrokenPipeError:  # `edgewright ... | head`
            sys.stdout = None  # or the interpreter complains while it flushes
            status = 0
        raise typer.Exit(status)

    return wrapped


def command_line() -> str:
    """The command as it was typed, fit to be pasted."""
    return shlex.join(["edgewright", *sys.argv[1:]])


def _tell(error: EdgewrightError, options: dict[str, Any], seconds: float) -> None:
    from edgewright.cli.console import out_json, show_error

    show_error(error)
    if options.get("as_json"):
        from edgewright.report.summary import error_json

        out_json(error_json(error, options.get("target") or "", seconds))


def tell_usage_error(what: str, name: str) -> None:
    """A command line that cannot be understood, as JSON; the words for a person are Typer's own."""
    from edgewright.cli.console import out_json
    from edgewright.report.summary import error_json

    todo = f"`edgewright {name} --help`" if name else "`edgewright --help`"
    out_json(error_json(UserError(what.rstrip("."), todo=todo), "", 0.0))
