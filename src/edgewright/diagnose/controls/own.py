"""Controls of a backend that builds from its framework's files: made and judged in that framework."""

from __future__ import annotations

import time
from pathlib import Path

from edgewright.diagnose.controls.judge import ControlResult
from edgewright.errors import EdgewrightError, TargetMismatch
from edgewright.targets.backend import OwnControls


def run_own(backend: OwnControls, name: str, precision: str, tolerance: float, folder: Path) -> ControlResult:
    """Take one of the backend's own controls through it.

    Args:
        name: of the control.
        precision: such controls are in float only.
        tolerance: relative L2 that float arithmetic explains.
        folder: an empty folder to build in.
    """
    if precision != "float":
        return ControlResult(name, precision, "not on this chip")
    started = time.monotonic()
    try:
        errors = backend.run_own_control(name, folder)
    except TargetMismatch as error:
        seconds = round(time.monotonic() - started, 3)
        return ControlResult(name, precision, "not run", cause=error.why or error.what, seconds=seconds)
    except EdgewrightError as error:
        return ControlResult(
            name,
            precision,
            "fails",
            cause=f"{error.what}: {error.why}" if error.why else error.what,
            remedy=error.todo,
            log=str(getattr(error, "log", "")),
            seconds=round(time.monotonic() - started, 3),
        )
    right = all(error is not None and error <= tolerance for error in errors.values())
    return ControlResult(
        name,
        precision,
        "ok" if right else "wrong",
        errors=dict(errors),
        allowed=dict.fromkeys(errors, tolerance),
        seconds=round(time.monotonic() - started, 3),
    )
