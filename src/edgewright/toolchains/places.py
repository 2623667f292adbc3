"""Where environments lie: a cache folder of the user, one folder for each vendor and version."""

from __future__ import annotations

import os
from pathlib import Path

CACHE_VARIABLE = "EDGEWRIGHT_CACHE"


def cache_root() -> Path:
    """`$EDGEWRIGHT_CACHE`, else `edgewright` in the user's cache folder (XDG Base Directory Specification)."""
    named = os.environ.get(CACHE_VARIABLE)
    if named:
        return Path(named).expanduser().absolute()
    shared = os.environ.get("XDG_CACHE_HOME", "")
    # the specification tells to ignore a relative path
    base = Path(shared) if shared.startswith("/") else Path.home() / ".cache"
    return base / "edgewright"


def vendor_folder(vendor: str) -> Path:
    """Folder of a vendor's environments."""
    return cache_root() / "toolchains" / vendor


def environment_folder(vendor: str, version: str) -> Path:
    """Folder of one environment."""
    return vendor_folder(vendor) / version


def lock_file(vendor: str, version: str) -> Path:
    """The file whose lock keeps installers and users of one environment apart."""
    return vendor_folder(vendor) / f".{version}.lock"
