"""Frames as cameras and libraries give them, to BGR, RGB or gray pixels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, get_args

import cv2
import numpy as np
from numpy.typing import NDArray

from edgewright.data.contract import check_image
from edgewright.errors import DataError, UserError

FrameFormat = Literal["BGR", "RGB", "GRAY", "NV12", "NV21", "YUYV"]
"""BGR takes a gray frame too, as files are read. YUV formats are those of video: BT.601, luma in 16..235."""

Pixels = NDArray[np.uint8]
_SHAPES = {
    "RGB": "(height, width, 3)",
    "GRAY": "(height, width) or (height, width, 1)",
    "NV12": "(height * 3 / 2, width) with even height and width",
    "NV21": "(height * 3 / 2, width) with even height and width",
    "YUYV": "(height, width, 2) with even width",
}
_YUV = {"NV12": cv2.COLOR_YUV2BGR_NV12, "NV21": cv2.COLOR_YUV2BGR_NV21, "YUYV": cv2.COLOR_YUV2BGR_YUY2}


@dataclass
class Scratch:
    """Arrays that are allocated when their shape changes and not before."""

    arrays: dict[str, Pixels]

    def get(self, name: str, shape: tuple[int, ...]) -> Pixels:
        """The array of that name, with whatever it holds."""
        found = self.arrays.get(name)
        if found is None or found.shape != shape:
            found = self.arrays[name] = np.empty(shape, np.uint8)
        return found


def check_frame(frame: Any, frame_format: str) -> None:
    """Refuse a frame that is not of its format.

    Raises:
        DataError: another type, shape or number of channels.
        UserError: no such format.
    """
    if frame_format == "BGR":
        check_image(frame)
        return
    if frame_format not in _SHAPES:
        formats = ", ".join(get_args(FrameFormat))
        raise UserError(f"frame_format must be one of {formats}, but got {frame_format!r}")
    what = f"a frame in {frame_format} must be a uint8 array of shape {_SHAPES[frame_format]}"
    if not isinstance(frame, np.ndarray):
        raise DataError(f"{what}, but got {type(frame).__name__}")
    if frame.dtype != np.uint8 or not _has_shape(frame.shape, frame_format):
        raise DataError(f"{what}, but got {frame.dtype} {frame.shape}", todo="name what the camera gives: frame_format")


def to_pixels(frame: Pixels, frame_format: str, gray: bool, scratch: Scratch) -> tuple[Pixels, bool]:
    """The frame as gray or as colour pixels.

    Args:
        frame: checked by `check_frame`; it is not changed.
        frame_format: what it is.
        gray: whether one channel is wanted.
        scratch: where a converted frame lies, until the next call.

    Returns:
        (height, width) or (height, width, 3), and whether the order is RGB.
    """
    frame = _plain(frame)
    if frame_format in _YUV:
        rows = frame.shape[0] if frame_format == "YUYV" else frame.shape[0] // 3 * 2
        frame = _convert(frame, _YUV[frame_format], scratch.get("bgr", (rows, frame.shape[1], 3)))
    if frame.ndim == 3 and frame.shape[2] == 1:
        frame = frame[:, :, 0]
    rgb = frame_format == "RGB"
    if gray and frame.ndim == 3:
        code = cv2.COLOR_RGB2GRAY if rgb else cv2.COLOR_BGR2GRAY
        return _convert(frame, code, scratch.get("gray", frame.shape[:2])), False
    if not gray and frame.ndim == 2:
        return _convert(frame, cv2.COLOR_GRAY2BGR, scratch.get("colour", (*frame.shape, 3))), False
    return frame, rgb


def _plain(frame: Pixels) -> Pixels:
    """Rows of contiguous pixels, as OpenCV wants them; a flipped or picked-apart frame is copied."""
    inner = frame.strides[1:] == ((1,) if frame.ndim == 2 else (frame.shape[2], 1))
    return frame if inner and frame.strides[0] >= 0 else np.ascontiguousarray(frame)


def _convert(frame: Pixels, code: int, into: Pixels) -> Pixels:
    return np.asarray(cv2.cvtColor(frame, code, dst=into), np.uint8)


def _has_shape(shape: tuple[int, ...], frame_format: str) -> bool:
    if 0 in shape:
        return False
    if frame_format == "RGB":
        return len(shape) == 3 and shape[2] == 3
    if frame_format == "GRAY":
        return len(shape) == 2 or (len(shape) == 3 and shape[2] == 1)
    if frame_format == "YUYV":
        return len(shape) == 3 and shape[2] == 2 and shape[1] % 2 == 0
    return len(shape) == 2 and shape[0] % 3 == 0 and shape[1] % 2 == 0
