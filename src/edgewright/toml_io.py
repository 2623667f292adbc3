"""Reading and writing TOML on every supported Python."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

if sys.version_info >= (3, 11):
    import tomllib
else:  # the standard library has a parser from 3.11 on
    import tomli as tomllib

TOMLDecodeError = tomllib.TOMLDecodeError


def loads_toml(text: str) -> dict[str, Any]:
    """Parse TOML text; raises `TOMLDecodeError` with line and column."""
    return dict(tomllib.loads(text))


def dumps_toml(data: Mapping[str, Any]) -> str:
    """TOML text of `data`. Keys whose value is None are left out, for TOML has no null."""
    import tomli_w

    return tomli_w.dumps(_without_none(data))


def _without_none(data: Mapping[str, Any]) -> dict[str, Any]:
    return {
        key: _without_none(value) if isinstance(value, Mapping) else value
        for key, value in data.items()
        if value is not None
    }
