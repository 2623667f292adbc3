"""The budget: what a repair may cost at most."""

from __future__ import annotations

import re
from dataclasses import dataclass

from edgewright.errors import UserError
from edgewright.repair.cost import Cost

_WORDS = {
    "int16-macs": "%",
    "float-macs": "%",
    "int16-ops": "",
    "float-ops": "",
    "conversions": "",
    "latency": "x",
}
_PATTERN = re.compile(r"\s*([a-z0-9-]+)\s*<=\s*([0-9.]+)\s*(%|x|)\s*")
_EXAMPLE = '"int16-macs<=10%", "latency<=1.05x" or several with commas'


@dataclass(frozen=True)
class Budget:
    """Limits by name; what is missing is not limited.

    Attributes:
        limits: shares as fractions (0.1), latency as a ratio (1.05), numbers as they are.
    """

    limits: tuple[tuple[str, float], ...] = ()

    def limit(self, name: str) -> float | None:
        """The limit of one cost, or None."""
        return dict(self.limits).get(name)

    @property
    def needs_latency(self) -> bool:
        """Whether time must be measured."""
        return self.limit("latency") is not None

    def exceeded_by(self, cost: Cost) -> tuple[str, ...]:
        """What exceeds the budget, one line each; a cost that was not measured exceeds nothing."""
        values = {
            "int16-macs": cost.int16_macs,
            "float-macs": cost.float_macs,
            "int16-ops": cost.int16_ops,
            "float-ops": cost.float_ops,
            "conversions": cost.conversions,
            "latency": cost.latency,
        }
        found = []
        for name, limit in self.limits:
            value = values[name]
            if value is not None and value > limit + 1e-9:
                found.append(f"{name} {_told(name, value)}, {_told(name, limit)} allowed")
        return tuple(found)


def parse_budget(text: str) -> Budget:
    """The budget that is written as "int16-macs<=10%, latency<=1.05x"; empty text limits nothing.

    Raises:
        UserError: a limit cannot be read, has the wrong unit, can never be kept, or is given twice.
    """
    limits: dict[str, float] = {}
    for entry in text.split(",") if text.strip() else ():
        match = _PATTERN.fullmatch(entry)
        if match is None:
            raise _wrong(entry, "it must read NAME<=NUMBER with the unit of NAME")
        name, number, unit = match.groups()
        if name not in _WORDS:
            raise _wrong(entry, f"there is no cost {name!r}; there are {', '.join(_WORDS)}")
        if unit != _WORDS[name]:
            raise _wrong(entry, f"{name} is given {_unit(name)}")
        if name in limits:
            raise _wrong(entry, f"{name} is limited twice")
        limits[name] = _number(entry, number) / (100.0 if unit == "%" else 1.0)
        if name == "latency" and limits[name] <= 0:
            raise _wrong(entry, "no run takes no time")
    return Budget(tuple(limits.items()))


def _number(entry: str, text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise _wrong(entry, f"{text} is no number") from None


def _unit(name: str) -> str:
    return {"%": "in percent (10%)", "x": "as a ratio (1.05x)", "": "as a number"}[_WORDS[name]]


def _told(name: str, value: float) -> str:
    return {"%": f"{100 * value:.1f}%", "x": f"{value:.2f}x", "": f"{value:g}"}[_WORDS[name]]


def _wrong(entry: str, why: str) -> UserError:
    return UserError(f"the budget {entry!r} cannot be used", where="--budget", why=why, todo=f"write {_EXAMPLE}")
