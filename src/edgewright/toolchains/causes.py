"""What a tool's log says: the last lines that mean something, and known lines with their causes."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from edgewright.errors import ToolchainError
from edgewright.toml_io import TOMLDecodeError, loads_toml

_NUMBER_OF_LINES = 12
_COLOURS = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
_BAR = re.compile(r"\d+%\|.*\||\b\d+/\d+ \[\d|^\s*[\[|]?[=#>.\-█▏▎▍▌▋▊▉ ]{8,}[\]|]?\s*(\d+%)?\s*$")
_TRACEBACK = "Traceback (most recent call last):"
_RULE = re.compile(r"^\W*$")


@dataclass(frozen=True)
class LogRule:
    """A line that a tool is known to write, and what it means.

    Attributes:
        code: short name, unique among a vendor's rules.
        pattern: regular expression, searched in the log with `re.MULTILINE`.
        cause: what happened, a sentence; `{1}` or `{name}` are groups of the pattern.
        remedy: what to do, in the same form.
        source: where this is known from.
        versions: the versions of the toolchain that it holds for (">=1.6,<1.10"); empty: all.
        weak: the line also appears where all is well: it explains a failure only when no other rule does.
    """

    code: str
    pattern: re.Pattern[str]
    cause: str
    remedy: str
    source: str
    versions: str = ""
    weak: bool = False


@dataclass(frozen=True)
class Cause:
    """What a rule found in a log."""

    code: str
    cause: str
    remedy: str
    line: str
    source: str


def load_rules(text: str, where: str = "logs.toml") -> tuple[LogRule, ...]:
    """Rules from the text of a vendor's `logs.toml`: tables `[[rule]]` with the fields of `LogRule`.

    Raises:
        ToolchainError: the text is not such a file, or a code appears twice.
    """
    try:
        tables: list[dict[str, Any]] = loads_toml(text).get("rule", [])
        rules = tuple(LogRule(**{**table, "pattern": re.compile(table["pattern"], re.MULTILINE)}) for table in tables)
    except (TOMLDecodeError, re.error, TypeError, KeyError) as error:
        raise ToolchainError("a file of log rules cannot be understood", where=where, why=repr(error)) from error
    codes = [rule.code for rule in rules]
    if twice := sorted({code for code in codes if codes.count(code) > 1}):
        raise ToolchainError(f"log rule {twice[0]!r} is there twice", where=where)
    return rules


def explain(log: str, rules: Iterable[LogRule], version: str | None = None) -> Cause | None:
    """The cause of a failure, from its log.

    A rule that is not weak goes before one that is. Among equals the one that matches last in the log counts, for
    tools go on after the first complaint and die of the last; at the same place, the longest match.

    Args:
        log: the whole text.
        rules: of the vendor.
        version: of the toolchain, to leave out rules for others.
    """
    from edgewright.toolchains.versions import in_range

    text = clean(log)
    best: tuple[tuple[bool, int, int], LogRule, re.Match[str]] | None = None
    for rule in rules:
        if version is not None and rule.versions and not in_range(version, rule.versions):
            continue
        for match in rule.pattern.finditer(text):
            rank = (not rule.weak, match.end(), match.end() - match.start())
            if best is None or rank > best[0]:
                best = (rank, rule, match)
    if best is None:
        return None
    _, rule, match = best
    return Cause(
        code=rule.code,
        cause=_filled(rule.cause, match),
        remedy=_filled(rule.remedy, match),
        line=_line_of(text, match),
        source=rule.source,
    )


def last_lines(log: str, count: int = _NUMBER_OF_LINES) -> list[str]:
    """The last lines that mean something: no progress bars, no rulers, nothing said twice in a row.

    Of a Python traceback the last line stays, which says what was raised; the whole log has the rest.
    """
    kept: list[str] = []
    in_traceback = False
    for line in clean(log).splitlines():
        text = line.rstrip()
        in_traceback = text.lstrip().startswith(_TRACEBACK) or (in_traceback and text.startswith("  "))
        if in_traceback or _RULE.match(text) or _BAR.search(text) or (kept and kept[-1] == text):
            continue
        kept.append(text)
    return kept[-count:]


def clean(log: str) -> str:
    """A log without colours, and of lines that a tool wrote over again only the last state."""
    plain = _COLOURS.sub("", log).replace("\r\n", "\n")
    return "\n".join(line.rstrip("\r").rpartition("\r")[2] for line in plain.split("\n"))


def _filled(text: str, match: re.Match[str]) -> str:
    """`text` with the groups of `match` in place of `{1}` and `{name}`; other braces stay."""
    groups = {str(index): value or "" for index, value in enumerate(match.groups(), 1)}
    groups.update({name: value or "" for name, value in match.groupdict().items()})
    return re.sub(r"\{(\w+)\}", lambda found: groups.get(found[1], found[0]), text)


def _line_of(text: str, match: re.Match[str]) -> str:
    start = text.rfind("\n", 0, match.start()) + 1
    end = text.find("\n", match.end())
    return " ".join(text[start : end if end >= 0 else len(text)].split())[:400]
