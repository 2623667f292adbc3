"""Image files: finding them, and reading them on the assumption that any of them may be damaged or hostile."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import numpy as np
from numpy.typing import NDArray

from edgewright.data.image_header import ImageHeader, image_header
from edgewright.errors import DataError
from edgewright.files import file_digest, is_text

IMAGE_SUFFIXES = (".bmp", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp")
MAX_PIXELS = 178_000_000  # half a gigabyte of BGR: above any camera, below any memory that edge work is done on
MAX_FILE_BYTES = 2**30

Image = NDArray[np.uint8]


@dataclass(frozen=True)
class Skipped:
    """An image that could not be read and was left out, for a finding.

    Attributes:
        path: the file.
        reason: why, one line.
    """

    path: Path
    reason: str


def list_images(path: Path) -> list[Path]:
    """The image files that `path` means: itself, those in the folder, or those in an `images` folder inside it.

    Sorted by name; not recursive; hidden files (".DS_Store", "._photo.jpg") are no images.

    Raises:
        DataError: `path` is missing, or holds no image; the message names what it holds instead.
    """
    path = Path(path)
    if path.is_dir():
        try:
            return _in_folder(path) or _in_folder(path / "images") or _raise_no_images(path)
        except OSError as error:
            raise DataError("this folder cannot be read", where=str(path), why=error.strerror or "") from error
    if not path.exists():
        raise DataError(f"there is no file or folder {path}", todo="pass an image or a folder of images")
    if path.suffix.lower() not in IMAGE_SUFFIXES:
        raise DataError(
            f"{path.name} is not an image by its name",
            where=str(path),
            todo=f"pass an image ({', '.join(IMAGE_SUFFIXES)}) or a folder of images",
        )
    return [path]


def read_image(path: Path) -> Image:
    """The pixels of an image file, (height, width, 3) BGR uint8.

    Gray images are copied to three channels, an alpha channel is dropped, 16-bit samples keep their high byte, and the
    EXIF orientation is applied: all as OpenCV's IMREAD_COLOR does.

    Raises:
        DataError: missing, empty, no image of a known format, truncated, damaged, or of more than `MAX_PIXELS`.
    """
    path = Path(path)
    return image_from_bytes(_bytes_of(path), path)


def image_from_bytes(data: bytes, name: Path) -> Image:
    """`read_image` for the bytes of a file; `name` is what messages call it."""
    import cv2

    _check_header(image_header(data), data, name)
    try:
        decoded = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    except cv2.error as error:  # its own pixel limit, or a decoder that gave up
        raise _unreadable(name, f"OpenCV: {' '.join(str(error).split())[:300]}") from error
    if decoded is None:
        raise _unreadable(name, "it begins like an image, but its data cannot be decoded")
    if decoded.dtype != np.uint8 or decoded.ndim != 3 or decoded.shape[2] != 3:
        raise _unreadable(name, f"OpenCV decodes it to {decoded.dtype} {decoded.shape}, which is no 8-bit colour image")
    return np.asarray(decoded, np.uint8)


def image_digest(path: Path) -> str:
    """SHA-256 of an image file's bytes, hexadecimal.

    Raises:
        DataError: there is no such file.
    """
    path = Path(path)
    if not path.is_file():
        raise DataError(f"there is no image file {path}")
    return file_digest(path)


def iterate_images(paths: Iterable[Path], skipped: list[Skipped] | None = None) -> Iterator[tuple[Path, Image]]:
    """Read images one after the other; only one is in memory at a time.

    Args:
        paths: image files.
        skipped: an unreadable image is entered here and left out; with None it is an error.

    Raises:
        DataError: an image cannot be read and `skipped` is None.
    """
    for path in paths:
        try:
            image = read_image(path)
        except DataError as error:
            if skipped is None:
                raise
            skipped.append(Skipped(Path(path), error.why or error.what))
            continue
        yield Path(path), image


def readable_images(paths: Sequence[Path], *, allow_skip: bool = False) -> tuple[list[Path], list[Skipped]]:
    """Decode every image once, keep none in memory, and tell the readable from the unreadable.

    Raises:
        DataError: some are unreadable and `allow_skip` is false; or none is readable. The message names the first ones.
    """
    skipped: list[Skipped] = []
    readable = [path for path, _ in iterate_images(paths, skipped)]
    if skipped and not (allow_skip and readable):
        shown = "; ".join(f"{entry.path.name}: {entry.reason}" for entry in skipped[:5])
        raise DataError(
            f"{len(skipped)} of {len(paths)} images cannot be read",
            where=str(skipped[0].path.parent),
            why=shown + ("; ..." if len(skipped) > 5 else ""),
            todo="remove or replace them; a skipped image would change the figures unseen",
        )
    return readable, skipped


def _in_folder(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    files = (f for f in folder.iterdir() if f.suffix.lower() in IMAGE_SUFFIXES and not f.name.startswith("."))
    found = sorted((f for f in files if f.is_file()), key=lambda f: f.name)
    for file in found:
        if not is_text(file.name):
            raise DataError(
                f"the file name {file.name!r} is not UTF-8", where=repr(str(folder)), todo="rename the file"
            )
    return found


def _raise_no_images(folder: Path) -> NoReturn:
    files: Counter[str] = Counter()
    folders = []
    for entry in sorted(folder.iterdir()):
        if entry.is_dir():
            folders.append(entry)
        else:
            files[entry.suffix.lower() or "(no suffix)"] += 1
    found = [f"{count} x {suffix}" for suffix, count in files.most_common(5)]
    found += [f"folder {entry.name}" for entry in folders[:5]]
    inside = next((entry for entry in folders if _in_folder(entry)), None)
    raise DataError(
        "there are no images in this folder",
        where=str(folder),
        why=f"it holds {', '.join(found)}" if found else "it is empty",
        todo=f"pass {inside}" if inside else f"pass a folder of images ({', '.join(IMAGE_SUFFIXES)})",
    )


def _bytes_of(path: Path) -> bytes:
    if not path.is_file():
        what = "is not a regular file" if path.exists() else "does not exist"
        raise DataError(f"the image {path.name} {what}", where=str(path), todo="check the path")
    size = path.stat().st_size
    if size == 0:
        raise _unreadable(path, "the file is empty (0 bytes)")
    if size > MAX_FILE_BYTES:
        raise _unreadable(path, f"the file has {size / 2**20:.0f} MiB, the limit is {MAX_FILE_BYTES / 2**20:.0f} MiB")
    try:
        return path.read_bytes()
    except OSError as error:
        raise _unreadable(path, f"the file cannot be read: {error.strerror}") from error


def _check_header(header: ImageHeader | None, data: bytes, path: Path) -> None:
    if header is None:
        raise _unreadable(path, f"its content is no JPEG, PNG, BMP, WebP, TIFF or PNM image; it begins {data[:16]!r}")
    if not header.complete:
        raise _unreadable(path, f"the {header.format} is truncated: its end is missing after {len(data)} bytes")
    if header.pixels > MAX_PIXELS:
        size = f"{header.width}x{header.height} pixels ({header.pixels / 1e6:.0f} megapixels)"
        raise _unreadable(path, f"the {header.format} declares {size}, the limit is {MAX_PIXELS / 1e6:.0f} megapixels")


def _unreadable(path: Path, why: str) -> DataError:
    return DataError(
        f"the image {path.name} cannot be read", where=str(path), why=why, todo="replace it or take it out"
    )
