"""Offering to install the toolchain that a target, or the model itself, needs."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edgewright.workflow.recipe import Recipe


def offer_toolchain(target: str, *, yes: bool) -> None:
    """Install the target's toolchain where it is missing and the user agrees, beforehand or when asked on a terminal.

    Raises:
        UserError: there is no such target.
        ToolchainMissing: it is missing, and nobody agreed.
        ToolchainError, OutputError: as installing does.
    """
    from edgewright.targets.naming import parse_target
    from edgewright.targets.registry import get_backend, toolchain_version

    version = toolchain_version(get_backend(target))
    if version is not None:
        _ensure(parse_target(target).vendor, version, yes=yes)


def offer_source(recipe: Recipe, *, yes: bool) -> None:
    """The same for the framework that the recipe's model was exported from; nothing for ONNX.

    What is wrong with the model's files, or does not fit the target, is said before anything is installed.

    Raises:
        UserError: the model cannot be used.
        ToolchainMissing, ToolchainError, OutputError: as `offer_toolchain`.
    """
    from edgewright.sources.paddle.versions import VENDOR
    from edgewright.targets.registry import get_backend
    from edgewright.workflow.given import check_model_file, check_source
    from edgewright.workflow.sourced import export_version

    path = Path(recipe.model.path)
    check_model_file(path)
    check_source(recipe.target, get_backend(recipe.target), path)
    version = export_version(recipe)
    if version is not None:
        _ensure(VENDOR, version, yes=yes)


def _ensure(vendor: str, version: str, *, yes: bool) -> None:
    from edgewright.cli.console import err
    from edgewright.toolchains.environments import ensure
    from edgewright.toolchains.vendors import vendor_spec

    ask: Callable[[str], bool] | None = _confirmed if sys.stdin.isatty() else None
    ensure(vendor_spec(vendor), version, yes=yes, ask=ask, tell=lambda line: err(f"  {line}"))


def _confirmed(question: str) -> bool:
    import typer

    return bool(typer.confirm(question, err=True))
