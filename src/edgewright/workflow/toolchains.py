"""Listing, installing and removing toolchains, as data."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from edgewright.errors import UserError
from edgewright.toolchains.environments import Environment, ToolchainMissing, environment, installed, remove
from edgewright.toolchains.install import install
from edgewright.toolchains.places import environment_folder
from edgewright.toolchains.spec import ToolchainSpec
from edgewright.toolchains.vendors import vendor_spec, vendors


def list_toolchains() -> list[dict[str, Any]]:
    """Every version of every toolchain that can be installed, with its state."""
    rows: list[dict[str, Any]] = []
    for spec in map(vendor_spec, vendors()):
        there = {entry.version: entry for entry in installed(spec)}
        for version, wanted in spec.versions.items():
            entry = there.get(version)
            rows.append(
                {
                    "vendor": spec.vendor,
                    "version": version,
                    "title": spec.title,
                    "default": version == spec.default,
                    "state": _state(spec, version),
                    "python": entry.python_version if entry else " or ".join(wanted.python),
                    "disk_mb": entry.disk_mb if entry else wanted.disk_mb,
                    "folder": str(environment_folder(spec.vendor, version)) if entry else None,
                }
            )
    return rows


def install_toolchain(
    name: str, python: Path | None, tell: Callable[[str], None], *, again: bool = False
) -> Environment:
    """Install `VENDOR` or `VENDOR==VERSION`.

    Raises:
        UserError, OutputError, ToolchainError: as `toolchains.install.install` does.
    """
    spec, version = parse(name)
    return install(spec, version, python, tell, again=again)


def remove_toolchain(name: str) -> tuple[str, int]:
    """Remove `VENDOR` or `VENDOR==VERSION`; returns what was removed and the MB that it took.

    Raises:
        UserError, OutputError, ToolchainMissing: as `toolchains.environments.remove` does.
    """
    spec, version = parse(name)
    return f"{spec.vendor}=={version}", remove(spec, version)


def parse(name: str) -> tuple[ToolchainSpec, str]:
    """The toolchain and the version that `VENDOR` or `VENDOR==VERSION` names.

    Raises:
        UserError: there is none.
    """
    vendor, equals, version = name.partition("==")
    if equals and not version:
        raise UserError(f"{name!r} names no version", todo=f"write {vendor}==VERSION, or {vendor} for the default")
    spec = vendor_spec(vendor.strip())
    return spec, spec.version_name(version.strip() if equals else None)


def _state(spec: ToolchainSpec, version: str) -> str:
    try:
        environment(spec, version)
    except ToolchainMissing as missing:
        return missing.state
    return "installed"
