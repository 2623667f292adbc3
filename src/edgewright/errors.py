"""Errors that a person can act on: what happened, where, why, and what to do.

The command line prints these without a traceback and ends with `exit_status`. Anything else that is raised is a bug of
Edgewright and keeps its traceback.
"""

from __future__ import annotations


class EdgewrightError(Exception):
    """Base of all errors that Edgewright raises on purpose.

    Args:
        what: what went wrong, one sentence without a full stop.
        where: the file, node, tensor or option concerned; empty when `what` says it.
        why: the reason, when it is known.
        todo: what the user can do now.
    """

    exit_status = 3

    def __init__(self, what: str, *, where: str = "", why: str = "", todo: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.where = where
        self.why = why
        self.todo = todo

    def __str__(self) -> str:
        lines = [self.what]
        for label, text in (("where", self.where), ("why", self.why), ("do", self.todo)):
            if text:
                lines.append(f"  {label + ':':<7}{text}")
        return "\n".join(lines)


class UserError(EdgewrightError):
    """The input, a flag or a path that the user gave cannot be used."""

    exit_status = 2


class ModelError(UserError):
    """The model file is missing, damaged, unsafe, or of a form that Edgewright does not take."""


class DataError(UserError):
    """Images, labels or calibration data are missing, unreadable or do not belong together."""


class BundleError(UserError):
    """A bundle is damaged, altered, or computes something else than when it was packed."""


class TargetMismatch(BundleError):
    """An artifact was opened where it does not belong: other host, other target, other runtime."""


class OutputError(UserError):
    """Results cannot be written: read-only folder, full disk, or a run directory in use."""


class ToolchainError(EdgewrightError):
    """A compiler or runtime failed, hung, crashed, or answered something it should not.

    Args:
        log: path of the whole log, when there is one.
    """

    exit_status = 3

    def __init__(self, what: str, *, where: str = "", why: str = "", todo: str = "", log: str = "") -> None:
        super().__init__(what, where=where, why=why, todo=todo)
        self.log = log

    def __str__(self) -> str:
        text = super().__str__()
        return f"{text}\n  log:   {self.log}" if self.log else text


class DuplicateEntry(EdgewrightError):
    """Two entries of a registry claim the same name: a programming error, found at import."""
