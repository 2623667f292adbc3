"""Findings: what checks, verification and diagnosis say, in one form.

A finding is an observation about *this* model with its evidence. The catalogue (`catalogue.toml`) holds what is true of
every finding with the same code: what it means, why it happens, what can be done; `edgewright explain CODE` prints it.
"""

from __future__ import annotations

import enum
import functools
import importlib.resources
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from edgewright.errors import UserError
from edgewright.toml_io import loads_toml


class Severity(str, enum.Enum):
    """How much a finding matters."""

    INFO = "info"  # worth knowing
    WARNING = "warning"  # may cost accuracy or time
    ERROR = "error"  # the result cannot be right


@dataclass(frozen=True)
class Finding:
    """One observation.

    Attributes:
        code: `EW` and three digits; an entry of the catalogue.
        severity: how much it matters here.
        where: the node, tensor, part, file or stage concerned, by the user's name for it.
        message: one or two sentences that stand alone.
        evidence: the figures behind it, JSON types only.
        remedy: what to do about it, or what Edgewright did.
    """

    code: str
    severity: Severity
    where: str
    message: str
    evidence: Mapping[str, Any] = field(default_factory=dict)
    remedy: str = ""

    def __post_init__(self) -> None:
        if self.code not in catalogue():
            raise ValueError(f"finding code {self.code!r} is not in catalogue.toml")

    def to_json(self) -> dict[str, Any]:
        """The finding as JSON data."""
        return {
            "code": self.code,
            "severity": self.severity.value,
            "where": self.where,
            "message": self.message,
            "evidence": dict(self.evidence),
            "remedy": self.remedy,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Finding:
        """Inverse of `to_json`."""
        return cls(
            code=data["code"],
            severity=Severity(data["severity"]),
            where=data["where"],
            message=data["message"],
            evidence=data["evidence"],
            remedy=data["remedy"],
        )


def listed(names: Sequence[str], most: int = 3) -> str:
    """The first names, and how many more there are: "a, b, c and 9 more"."""
    shown = ", ".join(names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"


@dataclass(frozen=True)
class Explanation:
    """The catalogue entry of a code."""

    code: str
    title: str
    meaning: str
    remedies: tuple[str, ...]
    source: str = ""


@functools.cache
def catalogue() -> dict[str, Explanation]:
    """All known codes, in order."""
    text = importlib.resources.files("edgewright").joinpath("catalogue.toml").read_text(encoding="utf-8")
    return {
        code: Explanation(
            code=code,
            title=entry["title"],
            meaning=" ".join(entry["meaning"].split()),
            remedies=tuple(entry.get("remedies", ())),
            source=entry.get("source", ""),
        )
        for code, entry in loads_toml(text).items()
    }


def explain(code: str) -> Explanation:
    """The catalogue entry of `code`, in any case.

    Raises:
        UserError: there is no such code.
    """
    entry = catalogue().get(code.upper())
    if entry is None:
        raise UserError(f"unknown finding code {code!r}", todo=f"known codes: {', '.join(catalogue())}")
    return entry
