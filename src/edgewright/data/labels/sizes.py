"""Width and height of image files, from the header where that is safe."""

from __future__ import annotations

import struct
from pathlib import Path

import cv2
import numpy as np

from edgewright.errors import DataError

_HEAD = 1 << 16
_START_OF_FRAME = set(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}


def image_size(path: Path) -> tuple[int, int]:
    """Width and height of the image as OpenCV reads it, in pixels.

    Plain JPEG headers are parsed, a hundred times faster than decoding. With Exif data, which may turn the image, and in
    every other case the image is decoded.

    Raises:
        DataError: this is no image.
    """
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD)
        size = _jpeg_size(head)
        pixels = None if size else cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_GRAYSCALE)
    except (OSError, cv2.error) as error:
        raise DataError("this image cannot be read", where=str(path), why=str(error).splitlines()[0]) from error
    if size is not None:
        return size
    if pixels is None:
        raise DataError("this file is no image that OpenCV can read", where=str(path), todo="remove it or replace it")
    return int(pixels.shape[1]), int(pixels.shape[0])


def _jpeg_size(head: bytes) -> tuple[int, int] | None:
    """Size from the frame header of a JPEG without Exif data, else None."""
    if not head.startswith(b"\xff\xd8"):
        return None
    place = 2
    while place + 9 <= len(head):
        mark, kind, length = struct.unpack_from(">BBH", head, place)
        # 0xE1 holds Exif or XMP: either may turn the image
        if mark != 0xFF or kind == 0xE1 or length < 2:
            return None
        if kind in _START_OF_FRAME:
            height, width = struct.unpack_from(">HH", head, place + 5)
            return (width, height) if width and height else None
        place += 2 + length
    return None
