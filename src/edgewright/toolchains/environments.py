"""Environments: one for each vendor and version, made by `install`, used by `worker`."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgewright.errors import OutputError, ToolchainError
from edgewright.files import digest_of
from edgewright.toolchains.locks import Busy, alone
from edgewright.toolchains.places import environment_folder, lock_file, vendor_folder
from edgewright.toolchains.spec import ToolchainSpec

MARKER = "edgewright.json"
"""Written last: an environment without it is half an installation."""
PARTIAL = ".partial-"


class ToolchainMissing(ToolchainError):
    """A toolchain is not there to be used; the message tells how to install it.

    Attributes:
        state: "not installed", "not up to date" or "damaged".
    """

    def __init__(self, title: str, state: str, *, why: str = "", todo: str = "") -> None:
        super().__init__(f"{title} is {state}", why=why, todo=todo)
        self.state = state


@dataclass(frozen=True)
class Environment:
    """An installed toolchain.

    Attributes:
        vendor, version: which one.
        folder: the virtual environment.
        python_version: full version of its Python.
        lock: exact versions of all packages, as `uv pip freeze` tells them.
        disk_mb: size when it was installed.
    """

    vendor: str
    version: str
    folder: Path
    python_version: str
    lock: str
    disk_mb: int
    spec_digest: str

    @property
    def python(self) -> Path:
        """Its interpreter."""
        return self.folder / "bin" / "python"

    @property
    def site_packages(self) -> Path:
        """Where its packages lie."""
        minor = ".".join(self.python_version.split(".")[:2])
        return self.folder / "lib" / f"python{minor}" / "site-packages"

    @property
    def digest(self) -> str:
        """SHA-256 over everything in it: part of the key of whatever it computes."""
        return digest_of({"spec": self.spec_digest, "python": self.python_version, "lock": self.lock})

    def to_json(self) -> dict[str, Any]:
        """For the marker file and for provenance."""
        return {
            "vendor": self.vendor,
            "version": self.version,
            "python": self.python_version,
            "lock": self.lock,
            "disk_mb": self.disk_mb,
            "spec": self.spec_digest,
        }


def environment(spec: ToolchainSpec, version: str | None = None) -> Environment:
    """The installed environment of a version (the default one).

    Raises:
        UserError: there is no such version.
        ToolchainMissing: it is not installed, damaged, or made from another list of packages.
    """
    name = spec.version_name(version)
    found = _read(spec.vendor, name)
    if found is None:
        raise _missing(spec, name, "not installed", f"no environment in {environment_folder(spec.vendor, name)}")
    if not found.python.exists():
        raise _missing(spec, name, "damaged", f"the Python that it was made with is gone: {found.python}")
    if found.spec_digest != spec.digest(name):
        raise _missing(
            spec, name, "not up to date", "this version of Edgewright wants other packages than those installed"
        )
    return found


def installed(spec: ToolchainSpec) -> list[Environment]:
    """All finished environments of a vendor, in the order of the spec, also those that are not up to date."""
    found = [_read(spec.vendor, version) for version in spec.versions]
    return [entry for entry in found if entry is not None]


def ensure(
    spec: ToolchainSpec,
    version: str | None = None,
    *,
    yes: bool = False,
    ask: Callable[[str], bool] | None = None,
    tell: Callable[[str], None] | None = None,
) -> Environment:
    """The environment of a version, installed first where it is missing and someone agrees.

    Args:
        yes: agreed beforehand.
        ask: puts a yes-or-no question to a person; None where there is nobody to ask.
        tell: takes lines of progress.

    Raises:
        ToolchainMissing: it is missing and nobody agreed.
        ToolchainError, UserError, OutputError: as `install` does.
    """
    from edgewright.toolchains.install import install

    try:
        return environment(spec, version)
    except ToolchainMissing as missing:
        name = spec.version_name(version)
        question = f"{missing.what}. Install it now ({spec.versions[name].disk_mb} MB)?"
        if not yes and not (ask is not None and ask(question)):
            raise
    return install(spec, name, tell=tell)


def remove(spec: ToolchainSpec, version: str | None = None) -> int:
    """Delete the environment of a version and whatever a broken installation left; returns the MB it took.

    Raises:
        UserError: there is no such version.
        ToolchainMissing: it is not installed.
        OutputError: another process uses it.
    """
    name = spec.version_name(version)
    folder = environment_folder(spec.vendor, name)
    if not folder.exists():
        raise ToolchainMissing(f"{spec.title} {name}", "not installed", why=f"there is no {folder}")
    found = _read(spec.vendor, name)
    try:
        with alone(lock_file(spec.vendor, name), seconds=0.0):
            # renamed first: a removal that is cut short must not leave what looks like an environment
            doomed = folder.with_name(f"{PARTIAL}{name}@removed")
            shutil.rmtree(doomed, ignore_errors=True)
            folder.rename(doomed)
            sweep(spec.vendor, name)
    except Busy:
        raise OutputError(
            f"{spec.title} {name} is in use by another process", where=str(folder), todo="wait until it is done"
        ) from None
    return found.disk_mb if found else 0


def sweep(vendor: str, version: str) -> None:
    """Delete half-made environments of a version; the caller holds the lock."""
    for leftover in vendor_folder(vendor).glob(f"{PARTIAL}{version}@*"):
        shutil.rmtree(leftover, ignore_errors=True)


def _read(vendor: str, version: str) -> Environment | None:
    folder = environment_folder(vendor, version)
    try:
        data = json.loads((folder / MARKER).read_text(encoding="utf-8"))
        return Environment(vendor, version, folder, data["python"], data["lock"], data["disk_mb"], data["spec"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _missing(spec: ToolchainSpec, version: str, state: str, why: str) -> ToolchainMissing:
    name = spec.vendor if version == spec.default else f"{spec.vendor}=={version}"
    return ToolchainMissing(f"{spec.title} {version}", state, why=why, todo=f"`edgewright toolchain install {name}`")
