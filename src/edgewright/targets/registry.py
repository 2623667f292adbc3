"""All targets, by name. Looking one up imports its vendor's folder and no other."""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Mapping
from typing import cast

from edgewright.errors import UserError
from edgewright.targets.backend import Backend
from edgewright.targets.facts import load_facts
from edgewright.targets.naming import TargetName, parse_target
from edgewright.toolchains.vendors import vendor_spec, vendors

VENDORS: tuple[str, ...] = ("onnxruntime", "paddle", "paddlelite", "rockchip", "sophgo")
"""Folders beside this file, one a vendor, each with `facts.toml` and a `backend` module with
`open_backend(chip, version)`."""


def target_names() -> list[str]:
    """Every `vendor/chip`."""
    return [f"{vendor}/{chip}" for vendor in VENDORS for chip in load_facts(vendor)["chips"]]


def get_backend(target: str) -> Backend:
    """The backend of `vendor/chip`, or of `vendor/chip==VERSION` with that version of the vendor's toolchain.

    Raises:
        UserError: no such target, and the message names the nearest; or no such version of its toolchain, and the
            message names those that there are.
    """
    named = parse_target(target)
    names = target_names()
    if named.target not in names:
        near = difflib.get_close_matches(named.target, names, n=3, cutoff=0.3)
        hint = f"did you mean {' or '.join(near)}? " if near else ""
        raise UserError(f"unknown target {target!r}", todo=f"{hint}`edgewright targets` lists them all")
    if named.version is None:
        return _open(named)
    known = versions_of(named.target)
    if named.version not in known:
        raise _unknown_version(named, known)
    return _open(named)


def versions_of(target: str) -> tuple[str, ...]:
    """Versions of the toolchain that can build for `vendor/chip`, the default first; none where it has no toolchain of
    its own: embedded or emulated."""
    named = parse_target(target)
    if toolchain_version(_open(named)) is None:
        return ()
    spec = vendor_spec(named.vendor)
    return tuple(sorted(spec.versions, key=lambda version: version != spec.default))


def toolchain_version(backend: Backend) -> str | None:
    """Version of the vendor's toolchain behind a target; None where none takes part: embedded or emulated."""
    vendor = parse_target(backend.capabilities().target).vendor
    return backend.toolchain().get(vendor_spec(vendor).title) if vendor in vendors() else None


def backend_that_built(target: str, toolchain: Mapping[str, str]) -> Backend:
    """The backend of an artifact, with the version of the toolchain that built it: another one would simulate it with
    arithmetic of its own.

    Args:
        target: `vendor/chip`.
        toolchain: names and versions, as the artifact tells them.

    Raises:
        UserError: as `get_backend`.
    """
    vendor = parse_target(target).vendor
    version = toolchain.get(vendor_spec(vendor).title) if vendor in vendors() else None
    return get_backend(target if version is None else f"{target}=={version}")


def _open(named: TargetName) -> Backend:
    module = importlib.import_module(f"edgewright.targets.{named.vendor}.backend")
    return cast("Backend", module.open_backend(named.chip, named.version))


def _unknown_version(named: TargetName, known: tuple[str, ...]) -> UserError:
    if not known:
        return UserError(
            f"{named.target} has no versions to choose from",
            why="no toolchain of the vendor's takes part: it is embedded or emulated",
            todo=f"write {named.target}",
        )
    title = vendor_spec(named.vendor).title
    return UserError(
        f"there is no {title} {named.version} for {named.target}",
        why=f"known versions: {', '.join(known)}",
        todo=f"write {' or '.join(f'{named.target}=={version}' for version in known)}",
    )
