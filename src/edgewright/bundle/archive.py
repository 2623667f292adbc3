"""Zip files: written the same each time, and read on the assumption that each of their claims may be a lie."""

from __future__ import annotations

import errno
import shutil
import stat
import struct
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, NoReturn

from edgewright.bundle.paths import path_problem, paths_problem
from edgewright.errors import BundleError
from edgewright.files import atomic_file

_TIME = (1980, 1, 1, 0, 0, 0)  # the first that zip knows
_CHUNK = 1 << 20
_END_SIZE = 22
_LOCATOR_SIZE = 20
_BYTES_PER_ENTRY = 4096  # of the directory: fixed fields, a name of some hundred characters in UTF-8, extra fields


@dataclass(frozen=True)
class Limits:
    """How much a bundle may cost before it is trusted.

    Attributes:
        total_bytes: sum of all its files, unpacked.
        entries: number of files and folders.
        ratio: largest unpacked size of an entry by its packed size...
        ratio_above: ...checked for entries of more bytes than this, for a small one does no harm.
    """

    total_bytes: int = 4 * 2**30
    entries: int = 2048
    ratio: float = 200.0
    ratio_above: int = 8 * 2**20


def write_stored(target: IO[bytes], files: Sequence[tuple[str, Path | bytes]]) -> None:
    """Write a zip of `files` in the order given, each with the same time and rights.

    Stored, not deflated: another zlib packs other bytes, and weights hardly shrink.
    """
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as archive:
        for name, content in files:
            info = zipfile.ZipInfo(name, _TIME)
            info.create_system = 3
            info.external_attr = (stat.S_IFREG | 0o644) << 16
            if isinstance(content, bytes):
                archive.writestr(info, content)
                continue
            info.file_size = content.stat().st_size  # decides whether a large file gets 64-bit fields
            with content.open("rb") as source, archive.open(info, "w") as entry:
                shutil.copyfileobj(source, entry, _CHUNK)


def write_zip_atomic(path: Path, files: Sequence[tuple[str, Path | bytes]]) -> None:
    """`write_stored` to a file that appears complete or not at all.

    Raises:
        OutputError: full disk or no right to write.
    """
    with atomic_file(path) as file:
        write_stored(file, files)


def check_directory(path: Path, limits: Limits) -> None:
    """Refuse a zip whose list of entries alone would fill the memory; `zipfile` reads it whole on opening.

    Raises:
        BundleError: not a zip, truncated, or with too many entries.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        file.seek(max(0, size - _END_SIZE - _LOCATOR_SIZE))
        tail = file.read()
        file.seek(0)
        begin = file.read(4)
    end = tail[-_END_SIZE:]
    if len(end) < _END_SIZE or end[:4] != b"PK\x05\x06":
        _refuse(path, "it is truncated: its end is missing" if begin == b"PK\x03\x04" else "it is not a zip file")
    entries, directory = struct.unpack_from("<HI", end, 10)
    # the 64-bit record overrules these figures, and nothing within the limits needs one
    if tail.startswith(b"PK\x06\x07") or entries > limits.entries or directory > limits.entries * _BYTES_PER_ENTRY:
        _refuse(path, f"it lists more than {limits.entries} entries")


def extract(path: Path, folder: Path, limits: Limits) -> None:
    """Unpack a zip into an empty folder, after a look at every entry and never beyond what it declares.

    Raises:
        BundleError: an entry that is unsafe, a lie, or beyond the limits.
    """
    check_directory(path, limits)
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
            _check_entries(path, entries, limits)
            for entry in entries:
                if not _is_folder(entry):
                    _extract_entry(archive, entry, folder)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, struct.error, ValueError) as error:
        _refuse(path, f"the zip is damaged: {error}", error)
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
        _refuse(path, "the zip is damaged: an offset in it points outside the file", error)


def _check_entries(path: Path, entries: list[zipfile.ZipInfo], limits: Limits) -> None:
    # the original name: ZipInfo cuts its own one at a NUL
    problem = paths_problem(entry.orig_filename for entry in entries if not _is_folder(entry))
    problem = problem or next(filter(None, (path_problem(e.orig_filename[:-1]) for e in entries if _is_folder(e))), "")
    if problem:
        _refuse(path, f"it holds an unsafe path: {problem}")
    total = 0
    for entry in entries:
        name = repr(entry.filename)
        kind = stat.S_IFMT(entry.external_attr >> 16)
        if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
            _refuse(path, f"{name} is a {'symbolic link' if kind == stat.S_IFLNK else 'special file'}")
        if entry.flag_bits & 1:
            _refuse(path, f"{name} is encrypted")
        if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            _refuse(path, f"{name} is packed by method {entry.compress_type}; only stored and deflated are read")
        if entry.file_size > max(limits.ratio_above, limits.ratio * max(1, entry.compress_size)):
            _refuse(
                path,
                f"{name} claims to unpack {entry.compress_size} bytes to {entry.file_size}, "
                f"more than {limits.ratio:.0f} to 1: a zip bomb",
            )
        total += entry.file_size
    if total > limits.total_bytes:
        _refuse(path, f"it unpacks to {total} bytes, the limit is {limits.total_bytes}")


def _is_folder(entry: zipfile.ZipInfo) -> bool:
    return entry.orig_filename.endswith("/")  # `is_dir` fails on an empty name


def _extract_entry(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, folder: Path) -> None:
    target = folder / entry.filename
    target.parent.mkdir(parents=True, exist_ok=True)
    written = 0
    with archive.open(entry) as source, target.open("xb") as file:
        while chunk := source.read(_CHUNK):
            written += len(chunk)
            if written > entry.file_size:
                raise zipfile.BadZipFile(
                    f"{entry.filename!r} unpacks to more than the {entry.file_size} bytes declared"
                )
            file.write(chunk)
    if written != entry.file_size:
        raise zipfile.BadZipFile(f"{entry.filename!r} unpacks to {written} bytes, {entry.file_size} were declared")


def _refuse(path: Path, why: str, cause: BaseException | None = None) -> NoReturn:
    raise BundleError(
        "this file cannot be opened as a bundle",
        where=str(path),
        why=why,
        todo="fetch the bundle again from where it was packed; do not trust a file of unknown origin",
    ) from cause
