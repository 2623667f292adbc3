"""The newest frame of a camera, however slow its reader is."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from edgewright.data.images import Image
from edgewright.errors import DataError

_SECONDS_TO_WAIT = 10.0


class Newest:
    """Reads a capture without pause in a thread of its own, and keeps its last frame only.

    A driver queues frames: a reader slower than the camera would see the past. Memory is one frame.

    Args:
        read: gives (good, frame), as `cv2.VideoCapture.read` does; waits for the next frame.

    Attributes:
        dropped: frames that nobody took.
    """

    def __init__(self, read: Callable[[], tuple[bool, Any]]) -> None:
        self.dropped = 0
        self._read = read
        self._changed = threading.Condition()
        self._frame: Any = None
        self._ended = False
        self._thread = threading.Thread(target=self._grab, name="edgewright-camera", daemon=True)
        self._thread.start()

    def take(self, timeout: float = _SECONDS_TO_WAIT) -> Any:
        """The newest frame that was not taken yet; waits for one. None when the camera gives no more."""
        with self._changed:
            self._changed.wait_for(lambda: self._frame is not None or self._ended, timeout)
            frame, self._frame = self._frame, None
        return frame

    def close(self) -> None:
        """Stop reading."""
        self._ended = True
        self._thread.join(timeout=_SECONDS_TO_WAIT)

    def _grab(self) -> None:
        while not self._ended:
            good, frame = self._read()
            with self._changed:
                if not good:
                    self._ended = True
                else:
                    self.dropped += self._frame is not None
                    self._frame = frame
                self._changed.notify_all()


def camera_frames(index: int, *, open_capture: Callable[[int], Any] | None = None) -> Iterator[tuple[str, Image]]:
    """Named BGR frames of a camera ("camera:0#000017", numbers of frames taken), until the reader stops.

    Args:
        index: number of the camera, as in /dev/video0.
        open_capture: opens it; None takes OpenCV's.

    Raises:
        DataError: there is no such camera, it cannot be opened, or it gives no more frames.
    """
    capture = (open_capture or _open)(index)
    newest = Newest(capture.read)
    number = 0
    try:
        while (frame := newest.take()) is not None:
            yield f"camera:{index}#{number:06d}", np.asarray(frame, np.uint8)
            number += 1
    finally:
        newest.close()
        capture.release()
    raise DataError(
        f"camera {index} gives no {'more frames' if number else 'frame'}",
        why=f"{number} frames came before",
        todo="see that it is plugged in and that no other program uses it",
    )


def _open(index: int) -> Any:
    import cv2

    there = sorted(path.name.removeprefix("video") for path in Path("/dev").glob("video[0-9]*"))
    told = f"there are cameras {', '.join(there)}" if there else "there is no camera on this machine"
    if Path("/dev").is_dir() and str(index) not in there:
        raise DataError(f"there is no camera {index}", why=told, todo="plug it in, or pass a video or a folder")
    capture = cv2.VideoCapture(index)
    if not capture.isOpened():
        capture.release()
        raise DataError(
            f"camera {index} cannot be opened",
            why="it is no capture device, another program uses it, or its permissions forbid it",
            todo=f"try `v4l2-ctl -d /dev/video{index} --list-formats`",
        )
    return capture
