"""Versions of toolchains and ranges of them."""

from __future__ import annotations

import re

from edgewright.errors import ToolchainError

_CLAUSE = re.compile(r"\s*(<=|>=|==|!=|<|>)\s*([\w.+-]+)\s*")


def in_range(version: str, range_: str) -> bool:
    """Whether a version lies in a range such as ">=1.6,<1.10"; the empty range holds all versions.

    Numbers between dots compare as numbers, missing ones as 0; what follows the numbers ("-beta.0", "rc1") orders
    nothing, for vendors use it in ways of their own.

    Raises:
        ToolchainError: the range has another form.
    """
    for clause in filter(None, (part.strip() for part in range_.split(","))):
        found = _CLAUSE.fullmatch(clause)
        if found is None:
            raise ToolchainError(f"{range_!r} is not a range of versions", todo='write ">=1.6,<1.10"')
        mine, other = _numbers(version), _numbers(found[2])
        length = max(len(mine), len(other))
        a, b = mine + (0,) * (length - len(mine)), other + (0,) * (length - len(other))
        if not {"<": a < b, "<=": a <= b, "==": a == b, "!=": a != b, ">=": a >= b, ">": a > b}[found[1]]:
            return False
    return True


def _numbers(version: str) -> tuple[int, ...]:
    found = re.match(r"v?(\d+(?:\.\d+)*)", version)
    if found is None:
        raise ToolchainError(f"{version!r} is not a version")
    return tuple(int(part) for part in found[1].split("."))
