"""What an environment needs beyond its packages: our stand-ins, and the system's glibc."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

from edgewright.errors import ToolchainError

_ASIDE = ".shipped"
_GLIBC = re.compile(
    r"(libc|libm|libpthread|libdl|librt|libresolv|libutil|libanl|libmvec|ld-linux-x86-64)\.so\.\d+|libc-\d.*\.so"
)
_RELEASE = re.compile(rb"stable release version (\d+)\.(\d+)")


def add_stubs(stubs: dict[str, Path], site_packages: Path) -> None:
    """Copy stand-ins beside the installed packages.

    Raises:
        ToolchainError: something of that name is installed: it would be hidden.
    """
    for name, source in stubs.items():
        target = site_packages / name
        if target.exists():
            raise ToolchainError(
                f"a requirement of the toolchain installs {name!r}, which has a stand-in",
                where=str(target),
                todo="leave one of them out of the toolchain file",
            )
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copyfile(source, target)


def set_aside_glibc(site_packages: Path) -> list[Path]:
    """Rename shipped copies of glibc that are no newer than the system's; returns what was renamed.

    A shipped libc.so.6 under a newer loader ends in "stack smashing detected" or worse: loader and library belong to
    one release. All libraries of the release in the same folder go together.

    Files are renamed, never written: they may be links into the installer's cache.
    """
    mine = system_glibc()
    moved: list[Path] = []
    if mine is None:
        return moved
    for libc in sorted(site_packages.rglob("libc.so.6")):
        shipped = glibc_release(libc)
        if shipped is None or shipped > mine:
            continue
        for path in sorted(libc.parent.iterdir()):
            if _GLIBC.fullmatch(path.name):
                path.rename(path.with_name(path.name + _ASIDE))
                moved.append(path)
    return moved


def glibc_release(library: Path) -> tuple[int, int] | None:
    """The release that a libc.so.6 says it is ("GNU C Library ... stable release version 2.35")."""
    try:
        found = _RELEASE.search(library.read_bytes())
    except OSError:
        return None
    return (int(found[1]), int(found[2])) if found else None


def system_glibc() -> tuple[int, int] | None:
    """The release of this system's glibc; None where there is none (musl, macOS)."""
    try:
        text = os.confstr("CS_GNU_LIBC_VERSION") or ""
    except (ValueError, OSError, AttributeError):
        return None
    found = re.search(r"(\d+)\.(\d+)", text)
    return (int(found[1]), int(found[2])) if found else None
