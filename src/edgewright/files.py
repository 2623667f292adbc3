"""Files that appear complete or not at all."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from edgewright.errors import OutputError

_NO_SPACE = {errno.ENOSPC, errno.EDQUOT}
_NO_RIGHT = {errno.EACCES, errno.EPERM, errno.EROFS}
_NO_NAME = {errno.ENAMETOOLONG, errno.ELOOP, errno.EINVAL}


@contextmanager
def explained_write_errors(path: Path) -> Iterator[None]:
    """Turn a full disk or a read-only folder into an error that says what to do."""
    try:
        yield
    except OSError as error:
        if error.errno in _NO_SPACE:
            raise OutputError(
                "the disk is full", where=str(path), todo="free some space, or choose a folder on another disk"
            ) from error
        if error.errno in _NO_RIGHT:
            raise OutputError("this folder cannot be written", where=str(path), todo="choose another folder") from error
        if isinstance(error, (FileExistsError, NotADirectoryError)):
            raise OutputError(
                "a file is in the way of a folder",
                where=str(error.filename or path),
                todo="move it, or choose another folder",
            ) from error
        if error.errno in _NO_NAME or _cannot_be_made(error, path):
            raise OutputError(
                "this folder cannot be made", where=str(path), why=error.strerror or "", todo="choose another folder"
            ) from error
        raise


def _cannot_be_made(error: OSError, path: Path) -> bool:
    """Whether the place itself is missing after it was made, as below /proc, and not some file in it."""
    return isinstance(error, FileNotFoundError) and Path(error.filename or "") in (path, *path.parents)


@contextmanager
def atomic_file(path: Path) -> Iterator[IO[bytes]]:
    """A file to write that takes the name `path` only when everything is written and synced.

    Raises:
        OutputError: full disk or no right to write.
    """
    with explained_write_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".partial", dir=path.parent)
        try:
            with os.fdopen(handle, "wb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            os.chmod(temporary, 0o644)  # noqa: PTH101 - mkstemp makes 0600, results are to be read by others
            os.replace(temporary, path)  # noqa: PTH105
        except BaseException:
            with suppress(OSError):
                os.unlink(temporary)  # noqa: PTH108
            raise


def write_bytes_atomic(path: Path, data: bytes) -> None:
    """Write `data` to `path`; see `atomic_file`."""
    with atomic_file(path) as file:
        file.write(data)


def write_text_atomic(path: Path, text: str) -> None:
    """`write_bytes_atomic` for UTF-8 text."""
    write_bytes_atomic(path, text.encode("utf-8"))


def write_json_atomic(path: Path, data: Any) -> None:
    """`write_bytes_atomic` for JSON, indented, keys as given. NaN and infinities are refused: JSON has none."""
    write_text_atomic(path, json.dumps(data, indent=1, allow_nan=False) + "\n")


def is_text(path: str | Path) -> bool:
    """Whether a path can be written into a report or a recipe: Linux allows names that are no text in any encoding."""
    try:
        str(path).encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def file_digest(path: Path) -> str:
    """SHA-256 of a file's bytes, hexadecimal."""
    with path.open("rb") as file:
        digest = hashlib.sha256()
        while chunk := file.read(1 << 20):
            digest.update(chunk)
        return digest.hexdigest()


def digest_of(data: Any) -> str:
    """SHA-256 of JSON data in canonical form, hexadecimal."""
    text = json.dumps(data, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(text.encode("utf-8")).hexdigest()
