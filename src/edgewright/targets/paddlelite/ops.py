"""Which ops of a program Paddle Lite has for a processor, by its own word.

It is asked before anything is built. Its exit status says nothing: it is 1 where all ops are there, and a signal where
one is missing. Only the text counts.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from edgewright.errors import ToolchainError, UserError
from edgewright.findings import listed
from edgewright.targets.paddlelite.process import call_worker
from edgewright.toolchains.environments import Environment

_TITLE = "OP_name"
_ALL = re.compile(r"^Paddle-Lite supports this model!", re.MULTILINE)
_MISSING = re.compile(r"(\d+) ops are not supported on '([^']*)'\. These unsupported ops are: ([^\n]*)")
_NAME = re.compile(r"'([^']+)'")


@dataclass(frozen=True)
class OpSupport:
    """What the tool says of a program.

    Attributes:
        kernels: kinds of kernels that there are of each op ("Host", "X86"), by its type.
        missing: ops that have none for the processor.
    """

    kernels: Mapping[str, tuple[str, ...]]
    missing: tuple[str, ...]


def parse_support(text: str) -> OpSupport | None:
    """What the text of `--print_model_ops` says; None where it says neither yes nor no."""
    refused = _MISSING.search(text)
    if refused is None and _ALL.search(text) is None:
        return None
    missing = tuple(_NAME.findall(refused[3])) if refused else ()
    return OpSupport(_table(text), missing)


def ask_support(made: Environment, program: Path, weights: Path, processor: str, folder: Path) -> OpSupport:
    """Ask the tool; see `OpSupport`.

    Raises:
        ToolchainError: it did not say.
    """
    arguments = {"program": str(program), "weights": str(weights), "target": processor}
    reply = call_worker(made, "ops", arguments, folder)
    found = parse_support(str(reply.result["text"]))
    if found is None:
        raise ToolchainError(
            f"Paddle Lite {made.version} does not say which ops of this program it has",
            where=str(program),
            todo="report this with the log",
            log=str(reply.log),
        )
    return found


def check_support(found: OpSupport, target: str, version: str, program: Path) -> None:
    """Refuse a program with an op that has no kernel.

    Raises:
        UserError: there is one; all are named.
    """
    if not found.missing:
        return
    todo = (
        "cut the model before these ops (`edgewright extract`) and compute them on the host, export it without them,"
        " or choose another target"
    )
    raise UserError(
        f"{target} has no kernel for {listed(list(found.missing))}",
        where=str(program),
        why=f"Paddle Lite {version} says so of {len(found.missing)} ops of this program, asked before building",
        todo=todo,
    )


def _table(text: str) -> dict[str, tuple[str, ...]]:
    """Rows below the line of titles; a mark stands below the end of its column's title."""
    columns: list[tuple[str, int]] | None = None
    found: dict[str, tuple[str, ...]] = {}
    for line in text.splitlines():
        if columns is None:
            if line.split()[:1] == [_TITLE]:
                columns = [(match[1], match.end()) for match in re.finditer(r"\bk(\w+)", line)]
            continue
        names = line.split()[:1]
        marks = list(re.finditer(r"(?<=\s)Y(?=\s|$)", line))
        if not names or not marks:
            continue
        ends = {mark.end() for mark in marks}
        found[names[0]] = tuple(title for title, end in columns if end in ends)
    return found
