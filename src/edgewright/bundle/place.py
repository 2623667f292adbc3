"""Taking the place of an older bundle, and of nothing else."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path

from edgewright.bundle.archive import Limits
from edgewright.bundle.manifest import DIGEST, MANIFEST
from edgewright.bundle.open import list_files
from edgewright.errors import BundleError, OutputError


def sync(folder: Path) -> None:
    """A power cut after the rename must not leave files of zero bytes under the final name."""
    for name in list_files(folder, str(folder), Limits()):
        with (folder / name).open("rb+") as file:
            os.fsync(file.fileno())


def check_place(folder: Path) -> None:
    """Refuse to replace anything but a bundle: a slip in --out must not cost a folder of images.

    Raises:
        OutputError: what lies there is no bundle, or more than one.
    """
    if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
        raise OutputError("a bundle is a folder, and something else has its name", where=str(folder))
    if not folder.is_dir() or not any(folder.iterdir()):
        return
    why = f"it has no {MANIFEST}"
    try:
        manifest = json.loads((folder / MANIFEST).read_bytes())
        known = {MANIFEST, DIGEST, *manifest["files"]}
        extra = sorted(set(list_files(folder, str(folder), Limits())) - known)
        if not extra:
            return
        why = f"it holds {extra[0]!r}, which belongs to no bundle"
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        pass  # `why` says it
    except BundleError as error:
        why = error.why
    raise OutputError(
        "this folder is not a bundle and is not replaced",
        where=str(folder),
        why=why,
        todo="move it away, or name another folder with --out",
    )


def replace_folder(new: Path, folder: Path) -> None:
    """Give `new` the name `folder`. The older bundle steps aside first and comes back if that fails.

    Raises:
        OutputError: another process took the place, or holds a file in it open (Windows).
    """
    try:
        _swap(new, folder)
    except OSError as error:
        raise OutputError(
            "the bundle cannot take its place",
            where=str(folder),
            why=f"{error.strerror}: another run may be writing it, or a program has one of its files open",
            todo="wait for the other run, or name another folder with --out",
        ) from error


def _swap(new: Path, folder: Path) -> None:
    if not folder.exists():
        new.rename(folder)
        return
    aside = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", suffix=".old", dir=folder.parent))
    old = aside / "bundle"
    try:
        folder.rename(old)
        try:
            new.rename(folder)
        except BaseException:
            with suppress(OSError):
                old.rename(folder)
            raise
    finally:
        if folder.exists():  # else the only copy lies in there
            shutil.rmtree(aside, ignore_errors=True)
