"""All targets, by name. Looking one up imports its vendor's folder and no other."""

from __future__ import annotations

import difflib
import importlib
from typing import cast

from edgewright.errors import UserError
from edgewright.targets.backend import Backend
from edgewright.targets.facts import load_facts

VENDORS: tuple[str, ...] = ("onnxruntime", "rockchip", "sophgo")
"""Folders beside this file, one a vendor, each with `facts.toml` and a `backend` module with `open_backend(chip)`."""


def target_names() -> list[str]:
    """Every `vendor/chip`."""
    return [f"{vendor}/{chip}" for vendor in VENDORS for chip in load_facts(vendor)["chips"]]


def get_backend(target: str) -> Backend:
    """The backend of `vendor/chip`.

    Raises:
        UserError: no such target; the message names the nearest.
    """
    names = target_names()
    if target not in names:
        near = difflib.get_close_matches(target, names, n=3, cutoff=0.3)
        hint = f"did you mean {' or '.join(near)}? " if near else ""
        raise UserError(f"unknown target {target!r}", todo=f"{hint}`edgewright targets` lists them all")
    vendor, _, chip = target.partition("/")
    module = importlib.import_module(f"edgewright.targets.{vendor}.backend")
    return cast("Backend", module.open_backend(chip))
