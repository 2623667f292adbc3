"""Width and height of image files, from the header where that is safe."""

from __future__ import annotations

from pathlib import Path

from edgewright.data.image_header import image_header
from edgewright.data.images import image_from_bytes, read_image

_PLAIN = ("JPEG", "PNG", "BMP")
_EXIF_MARKS = (b"Exif\0\0", b"eXIf")


def image_size(path: Path) -> tuple[int, int]:
    """Width and height of the image as `read_image` gives it, in pixels.

    The header is a hundred times faster than the decoder; an image that may be turned by its Exif data is decoded.

    Raises:
        DataError: this is no image.
    """
    try:
        data = path.read_bytes()
    except OSError:
        return _decoded_size(read_image(path).shape)  # which says what is wrong with the file
    header = image_header(data)
    if header and header.format in _PLAIN and header.pixels and not any(mark in data for mark in _EXIF_MARKS):
        return header.width, header.height
    return _decoded_size(image_from_bytes(data, path).shape)


def _decoded_size(shape: tuple[int, ...]) -> tuple[int, int]:
    return shape[1], shape[0]
