"""The picture of the README: the first side-by-side of the demo's report, as a PNG."""

from __future__ import annotations

import base64
import re
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from tests.docs.blocks import ROOT

PICTURE = ROOT / "docs" / "images" / "report.png"
MOST_BYTES = 300_000
_PANEL = re.compile(r'<img src="data:image/\w+;base64,([^"]+)"[^>]*><span>([^<]*)</span>')
_MARGIN, _CAPTION = 8, 30  # pixels


def picture(page: str) -> bytes:
    """PNG of the first figure of a report's page: its panels in a row, each above its words.

    Raises:
        ValueError: the page has no such figure, or no size of it is small enough.
    """
    figure = page.partition('<section id="pictures">')[2].partition("</figure>")[0]
    panels = [(_decoded(data), words) for data, words in _PANEL.findall(figure)]
    if not panels:
        raise ValueError("the report has no pictures")
    for width in range(360, 200, -20):
        png = cv2.imencode(".png", _row(panels, width), [cv2.IMWRITE_PNG_COMPRESSION, 9])[1].tobytes()
        if len(png) < MOST_BYTES:
            return png
    raise ValueError("the picture is too large at every size")


def _row(panels: list[tuple[NDArray[Any], str]], width: int) -> NDArray[Any]:
    return np.hstack([_panel(image, words, width) for image, words in panels])


def _panel(image: NDArray[Any], words: str, width: int) -> NDArray[Any]:
    height = round(image.shape[0] * width / image.shape[1])
    small = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
    framed = cv2.copyMakeBorder(small, _MARGIN, _CAPTION, _MARGIN, _MARGIN, cv2.BORDER_CONSTANT, value=(255, 255, 255))
    place = (_MARGIN, _MARGIN + height + 20)
    cv2.putText(framed, words, place, cv2.FONT_HERSHEY_SIMPLEX, 0.5, (60, 50, 40), 1, cv2.LINE_AA)
    return np.asarray(framed)


def _decoded(data: str) -> NDArray[Any]:
    return np.asarray(cv2.imdecode(np.frombuffer(base64.b64decode(data), np.uint8), cv2.IMREAD_COLOR))
