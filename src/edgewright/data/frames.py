"""Frames of images, folders, videos and cameras, one at a time."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from edgewright.data.camera import camera_frames
from edgewright.data.images import MAX_PIXELS, Image, iterate_images, list_images
from edgewright.errors import DataError

VIDEO_SUFFIXES = (".avi", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".webm")
_CAMERA = re.compile(r"camera:(\d{1,3})|/dev/video(\d{1,3})")


def frames(source: str | Path) -> Iterator[tuple[str, Image]]:
    """Named BGR frames of an image, a folder of images, a video ("clip.mp4#000017", from 0) or a camera.

    Args:
        source: a path, or "camera:0" (also "/dev/video0"). A camera has no end; a slow reader gets its newest frame.

    Raises:
        DataError: missing, unreadable, or without a single frame; a video ends before the frames that its header
            promises, after all that could be decoded; a camera is gone.
    """
    camera = _CAMERA.fullmatch(str(source))
    path = Path(source)
    if camera is not None:
        yield from camera_frames(int(camera[1] or camera[2]))
    elif path.is_file() and path.suffix.lower() in VIDEO_SUFFIXES:
        yield from _video_frames(path)
    else:
        for file, image in iterate_images(list_images(path)):
            yield file.name, image


def _video_frames(path: Path) -> Iterator[tuple[str, Image]]:
    import cv2

    capture = cv2.VideoCapture(str(path))
    try:
        size = capture.get(cv2.CAP_PROP_FRAME_WIDTH) * capture.get(cv2.CAP_PROP_FRAME_HEIGHT)
        if size > MAX_PIXELS:
            limit = f"the limit is {MAX_PIXELS / 1e6:.0f}"
            raise _unreadable(path, f"its frames have {size / 1e6:.0f} megapixels, {limit}")
        promised = int(capture.get(cv2.CAP_PROP_FRAME_COUNT)) if capture.isOpened() else 0
        number = 0
        for number, frame in enumerate(_decoded(capture), 1):
            yield f"{path.name}#{number - 1:06d}", np.asarray(frame, np.uint8)
    finally:
        capture.release()
    if number == 0:
        raise _unreadable(path, "OpenCV finds no frame in it; it is damaged, or of a codec that this build lacks")
    if number < promised:  # OpenCV itself tells no difference between a damaged frame and the last one
        raise DataError(
            f"the video {path.name} breaks off after {number} of {promised} frames",
            where=str(path),
            why="the file is truncated or damaged there; what came before was read",
            todo="record or copy it again, or repack it with `ffmpeg -i FILE -c copy NEW`",
        )


def _decoded(capture: Any) -> Iterator[Any]:
    while capture.isOpened():
        good, frame = capture.read()
        if not good:
            return
        yield frame


def _unreadable(path: Path, why: str) -> DataError:
    return DataError(
        f"the video {path.name} cannot be read", where=str(path), why=why, todo="replace it or take it out"
    )
