"""Folders to work in: one that the user named, or one of the cache that is emptied at the next run."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from edgewright.errors import OutputError
from edgewright.files import explained_write_errors
from edgewright.toolchains.locks import Busy, alone
from edgewright.toolchains.places import cache_root


@contextmanager
def working_folder(named: Path | None, purpose: str) -> Iterator[Path]:
    """An empty folder; deleted afterwards if nothing was left in it.

    Args:
        named: the user's choice; None: a folder `purpose` in the cache, without what the last run left there.
        purpose: any text.

    Raises:
        OutputError: `named` holds something, the folder cannot be written, or another process works there.
    """
    with ExitStack() as stack:
        if named is None:
            folder = stack.enter_context(_cached("".join(c if c.isalnum() or c in "-." else "-" for c in purpose)))
        else:
            folder = named
            with explained_write_errors(folder):
                folder.mkdir(parents=True, exist_ok=True)
                if any(folder.iterdir()):
                    raise OutputError(
                        "this folder is not empty", where=str(folder), todo="name a new or an empty folder"
                    )
        try:
            yield folder
        finally:
            with suppress(OSError):  # something is left in it
                folder.rmdir()


@contextmanager
def _cached(name: str) -> Iterator[Path]:
    folder = cache_root() / name
    try:
        with alone(folder.with_name(f".{name}.lock"), seconds=0.0):
            with explained_write_errors(folder):
                shutil.rmtree(folder, ignore_errors=True)
                folder.mkdir(parents=True)
            yield folder
    except Busy:
        raise OutputError(
            "another process works in this folder", where=str(folder), todo="wait for it, or name one with --out"
        ) from None
