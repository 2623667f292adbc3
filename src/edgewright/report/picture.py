"""Pictures for the page: the same image as each variant sees it, small enough to embed."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

MAX_WIDTH = 640  # pixels
QUALITY = 80  # JPEG
_JPEG_MARK = b"\xff\xd8\xff"


@dataclass(frozen=True)
class Picture:
    """One image with a panel for each variant.

    Attributes:
        title: name of the image.
        caption: what to look at; may be empty.
        panels: label and JPEG bytes of each panel, the reference first.
    """

    title: str
    caption: str
    panels: tuple[tuple[str, bytes], ...]

    def __post_init__(self) -> None:
        for label, data in self.panels:
            if not data.startswith(_JPEG_MARK):
                raise ValueError(f"panel {label!r} must hold the bytes of a JPEG file")

    @classmethod
    def from_arrays(
        cls,
        title: str,
        caption: str,
        panels: Sequence[tuple[str, NDArray[Any]]],
        *,
        max_width: int = MAX_WIDTH,
        quality: int = QUALITY,
    ) -> Picture:
        """A picture from drawn images: label and (height, width, 3) BGR or (height, width) gray, uint8, each."""
        encoded = tuple((label, encode_jpeg(image, max_width=max_width, quality=quality)) for label, image in panels)
        return cls(title, caption, encoded)

    @property
    def size(self) -> int:
        """Bytes that the picture takes on the page."""
        return sum(4 * ((len(data) + 2) // 3) for _, data in self.panels)


def encode_jpeg(image: NDArray[Any], *, max_width: int = MAX_WIDTH, quality: int = QUALITY) -> bytes:
    """JPEG bytes of a BGR or gray uint8 image, made smaller until neither side is longer than `max_width`."""
    import cv2

    height, width = image.shape[:2]
    ratio = min(1.0, max_width / max(width, height))
    if ratio < 1.0:
        size = (max(1, round(width * ratio)), max(1, round(height * ratio)))
        image = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    done, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])
    if not done:
        raise ValueError(f"an image of shape {image.shape} and type {image.dtype} cannot be written as JPEG")
    return data.tobytes()


def data_url(jpeg: bytes) -> str:
    """The bytes as an address that a page can show without fetching anything."""
    return f"data:image/jpeg;base64,{base64.b64encode(jpeg).decode('ascii')}"


def within(pictures: Sequence[Picture], budget: int) -> list[Picture]:
    """The first pictures that together take at most `budget` bytes; a page that cannot be mailed is no use."""
    kept: list[Picture] = []
    for picture in pictures:
        budget -= picture.size
        if budget < 0:
            break
        kept.append(picture)
    return kept
