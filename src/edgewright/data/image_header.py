"""Format and size of an image, read from its first bytes: known before a decoder allocates anything."""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass

_PNM = re.compile(rb"P[1-6]\s+(?:#[^\n]*\n\s*)*(\d{1,9})\s+(?:#[^\n]*\n\s*)*(\d{1,9})\s")
_NO_LENGTH = {0x01, *range(0xD0, 0xD8)}  # JPEG markers that stand alone
_NOT_A_FRAME = {0xC4, 0xC8, 0xCC}  # in the range of the SOF markers, but tables


@dataclass(frozen=True)
class ImageHeader:
    """What the first bytes of an image say.

    Attributes:
        format: "JPEG", "PNG", "BMP", "WebP", "TIFF" or "PNM".
        width, height: pixels, as stored (before EXIF orientation); 0 when the header is cut off before it says them.
        complete: False when the end of the image is provably missing.
    """

    format: str
    width: int
    height: int
    complete: bool = True

    @property
    def pixels(self) -> int:
        """Number of pixels."""
        return self.width * self.height


def image_header(data: bytes) -> ImageHeader | None:
    """The header of an image, or None for bytes that are no image of a known format.

    Never raises: a header that is cut off gives size 0 and `complete` False.
    """
    try:
        return _by_magic(data)
    except (struct.error, IndexError, ValueError):
        return ImageHeader("image", 0, 0, complete=False)


def _by_magic(data: bytes) -> ImageHeader | None:
    if data.startswith(b"\xff\xd8\xff"):
        return _jpeg(data)
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        width, height = struct.unpack_from(">II", data, 16)
        return ImageHeader("PNG", width, height, _png_ends(data))
    if data[:2] == b"BM":
        width, height = struct.unpack_from("<ii", data, 18)
        return ImageHeader("BMP", abs(width), abs(height))  # a negative height means top row first
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return _webp(data)
    if data[:4] in (b"II*\0", b"MM\0*"):
        return _tiff(data)
    if match := _PNM.match(data[:4096]):
        return ImageHeader("PNM", int(match[1]), int(match[2]))
    return None


def _jpeg(data: bytes) -> ImageHeader:
    """Walk the segments to the frame header; the end marker counts only after the scan, for thumbnails have one too."""
    at, width, height = 2, 0, 0
    while True:
        if data[at] != 0xFF:
            raise ValueError("no marker where one must be")
        marker = data[at + 1]
        if marker == 0xFF:  # fill byte
            at += 1
            continue
        if marker in _NO_LENGTH:
            at += 2
            continue
        if 0xC0 <= marker <= 0xCF and marker not in _NOT_A_FRAME:
            height, width = struct.unpack_from(">HH", data, at + 5)
        if marker == 0xDA:
            return ImageHeader("JPEG", width, height, complete=data.find(b"\xff\xd9", at) >= 0)
        (length,) = struct.unpack_from(">H", data, at + 2)
        at += 2 + max(2, length)


def _png_ends(data: bytes) -> bool:
    at = 8
    while at + 12 <= len(data):
        (length,) = struct.unpack_from(">I", data, at)
        if data[at + 4 : at + 8] == b"IEND":
            return True
        at += 12 + length
    return False


def _webp(data: bytes) -> ImageHeader:
    complete = len(data) >= 8 + int.from_bytes(data[4:8], "little")
    kind = data[12:16]
    if kind == b"VP8X":
        width, height = (1 + int.from_bytes(data[at : at + 3], "little") for at in (24, 27))
    elif kind == b"VP8L":
        (bits,) = struct.unpack_from("<I", data, 21)
        width, height = 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    else:
        width, height = (n & 0x3FFF for n in struct.unpack_from("<HH", data, 26))
    return ImageHeader("WebP", width, height, complete)


def _tiff(data: bytes) -> ImageHeader:
    order = "<" if data[:2] == b"II" else ">"
    (at,) = struct.unpack_from(order + "I", data, 4)
    (count,) = struct.unpack_from(order + "H", data, at)
    size = {}
    for entry in range(at + 2, at + 2 + 12 * count, 12):
        tag, kind = struct.unpack_from(order + "HH", data, entry)
        if tag in (256, 257):
            (size[tag],) = struct.unpack_from(order + ("H" if kind == 3 else "I"), data, entry + 8)
    return ImageHeader("TIFF", size.get(256, 0), size.get(257, 0))
