"""Who is to blame when a vendor's tool fails on a model, or gets it wrong: the model, or the toolchain?"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from edgewright.diagnose.controls import ControlResult, control_for, run_control, run_own
from edgewright.errors import ToolchainError
from edgewright.files import explained_write_errors
from edgewright.findings import Finding, Severity
from edgewright.graph.model import Model
from edgewright.quant.plan import PrecisionPlan
from edgewright.targets.backend import Backend, OwnControls
from edgewright.toolchains.environments import ToolchainMissing
from edgewright.workflow.known import issues_of
from edgewright.workflow.progress import Progress

_NEXT_LINE = "\n         "
"""Behind `why:` in the text of an error."""


@contextmanager
def blamed(
    backend: Backend, model: Model, plan: PrecisionPlan | None, family: str, progress: Progress, log: Path
) -> Iterator[None]:
    """Around a build: a failure of the toolchain also says what is known of it, and whether it is the model's fault.

    The control model of the head's family is what tells: it is known to be right, and it goes the same way.

    Args:
        model, plan: what is built; None: in float.
        family: of the model's head.
        log: where the tool's log is kept: the folder of a build that failed is deleted.

    Raises:
        ToolchainError: that of the build, which says more.
    """
    try:
        yield
    except ToolchainMissing:
        raise
    except ToolchainError as error:
        keep_log(error, log)
        precisions: set[str] = {"float"} if plan is None else {str(one) for one in plan.ops.values()}
        issues = issues_of(backend, model, family, sorted(precisions))
        told = [f"known issue {issue.code}: {issue.what} (it shows as: {issue.shows})" for issue in issues]
        told.append(_verdict(_control(backend, family, _width(precisions), progress)))
        error.why = _NEXT_LINE.join([error.why, *told] if error.why else told)
        error.todo = error.todo or "; ".join(issue.cure for issue in issues)
        raise


def blame_note(backend: Backend, family: str, precision: str, progress: Progress) -> Finding:
    """EW702: how the control model of a head's family fares in a precision in which the user's model came out wrong."""
    result = _control(backend, family, precision, progress)
    said = _verdict(result)
    return Finding(
        "EW702",
        Severity.WARNING if result.state in ("wrong", "fails") else Severity.INFO,
        backend.capabilities().target,
        f"{said[:1].upper()}{said[1:]}.",
        {key: value for key, value in result.to_json().items() if key not in ("log", "seconds")},
        result.remedy,
    )


def keep_log(error: ToolchainError, log: Path) -> None:
    """Copy the tool's log out of a folder that goes away, and let the error name the copy."""
    if error.log and Path(error.log).is_file():
        with explained_write_errors(log):
            log.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(error.log, log)
        error.log = str(log)


def _width(precisions: set[str]) -> str:
    """What a plan is called after: its narrowest type."""
    return next((one for one in ("int8", "int16") if one in precisions), "float")


def _control(backend: Backend, family: str, precision: str, progress: Progress) -> ControlResult:
    control = control_for(family)
    own = backend.own_controls()[0] if isinstance(backend, OwnControls) else None
    with progress.step(f"control model {own or control.name}"), tempfile.TemporaryDirectory(prefix="edgewright-") as at:
        if own is not None and isinstance(backend, OwnControls):
            return run_own(backend, own, precision, backend.capabilities().float_tolerance, Path(at))
        return run_control(backend, control, precision, Path(at))


def _verdict(result: ControlResult) -> str:
    """One sentence."""
    return _SENTENCES[result.state](result)


def _right(result: ControlResult) -> str:
    return (
        f"the control model {result.control} comes out right in {result.precision}, so the toolchain works: the "
        "cause lies in this model"
    )


def _wrong(result: ControlResult) -> str:
    return (
        f"the control model {result.control} is built in {result.precision} but computes something else, so the "
        "toolchain is to blame, not this model"
    )


def _fails(result: ControlResult) -> str:
    return (
        f"the control model {result.control} fails in {result.precision} too ({result.cause.splitlines()[0]}), so the "
        "toolchain is to blame, not this model"
    )


def _unrun(result: ControlResult) -> str:
    return f"the control model {result.control} is built in {result.precision}; what it computes cannot be seen here"


def _untried(result: ControlResult) -> str:
    return f"no control model can tell whether model or toolchain is to blame: this chip has no {result.precision}"


_SENTENCES: dict[str, Callable[[ControlResult], str]] = {
    "ok": _right,
    "wrong": _wrong,
    "fails": _fails,
    "not run": _unrun,
    "not on this chip": _untried,
}
