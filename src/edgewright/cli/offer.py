"""Offering to install the toolchain that a target needs."""

from __future__ import annotations

import sys


def offer_toolchain(target: str, *, yes: bool) -> None:
    """Install the target's toolchain where it is missing and the user agrees, beforehand or when asked on a terminal.

    Raises:
        UserError: there is no such target.
        ToolchainMissing: it is missing, and nobody agreed.
        ToolchainError, OutputError: as installing does.
    """
    import typer

    from edgewright.cli.console import err
    from edgewright.targets.naming import parse_target
    from edgewright.targets.registry import get_backend, toolchain_version
    from edgewright.toolchains.environments import ensure
    from edgewright.toolchains.vendors import vendor_spec

    version = toolchain_version(get_backend(target))
    if version is not None:
        ask = (lambda question: bool(typer.confirm(question, err=True))) if sys.stdin.isatty() else None
        ensure(vendor_spec(parse_target(target).vendor), version, yes=yes, ask=ask, tell=lambda line: err(f"  {line}"))
