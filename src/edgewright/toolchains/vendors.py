"""The vendors' data files. A vendor that has a toolchain of its own is a folder that holds `toolchain.toml`."""

from __future__ import annotations

import difflib
import functools
import importlib.resources
from collections.abc import Collection
from pathlib import Path

from edgewright.errors import UserError
from edgewright.toolchains.causes import LogRule, load_rules
from edgewright.toolchains.known_issues import KnownIssue, concerning, load_issues
from edgewright.toolchains.spec import SPEC_FILE, ToolchainSpec, read_spec

RULES_FILE, ISSUES_FILE = "logs.toml", "known_issues.toml"


@functools.cache
def vendors() -> tuple[str, ...]:
    """Vendors with a toolchain to install, in alphabetical order."""
    return tuple(sorted(path.parent.name for path in _root().glob(f"*/{SPEC_FILE}")))


@functools.cache
def vendor_spec(vendor: str) -> ToolchainSpec:
    """What a vendor's toolchain is made of.

    Raises:
        UserError: there is no such vendor, or its toolchain needs no installing.
    """
    if vendor not in vendors():
        near = difflib.get_close_matches(vendor, vendors(), n=1, cutoff=0.5)
        known = ", ".join(vendors()) or "none yet"
        raise UserError(
            f"no toolchain {vendor!r} to install", todo=f"did you mean {near[0]}?" if near else f"known: {known}"
        )
    return read_spec(_root() / vendor)


@functools.cache
def vendor_rules(vendor: str) -> tuple[LogRule, ...]:
    """Known log lines of a vendor; none where it has no such file."""
    text = _text(vendor, RULES_FILE)
    return load_rules(text, f"{vendor}/{RULES_FILE}") if text else ()


@functools.cache
def vendor_issues(vendor: str) -> tuple[KnownIssue, ...]:
    """Known issues of a vendor; none where it has no such file."""
    text = _text(vendor, ISSUES_FILE)
    return load_issues(text, f"{vendor}/{ISSUES_FILE}") if text else ()


def known(
    vendor: str,
    version: str,
    chip: str | None = None,
    ops: Collection[str] = (),
    family: str | None = None,
    precision: str | None = None,
) -> tuple[KnownIssue, ...]:
    """Issues of a vendor that concern a build; see `KnownIssue.holds`."""
    return concerning(vendor_issues(vendor), version, chip, ops, family, precision)


def _root() -> Path:
    return Path(str(importlib.resources.files("edgewright"))) / "targets"


def _text(vendor: str, name: str) -> str:
    path = _root() / vendor / name
    return path.read_text(encoding="utf-8") if path.is_file() else ""
