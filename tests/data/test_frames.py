from __future__ import annotations

import time

import cv2
import numpy as np
import pytest

from edgewright.data.camera import Newest, camera_frames
from edgewright.data.frames import frames
from edgewright.errors import DataError
from tests.data.test_images import PIXELS, put


def clip(path, shades, codec="MJPG"):
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*codec), 10, (80, 60))
    for shade in shades:
        writer.write(np.full((60, 80, 3), shade, np.uint8))
    writer.release()
    return path


def test_frames_of_a_file_a_folder_and_a_video(tmp_path):
    for name in ("b.png", "a.png"):
        put(tmp_path / "set" / name)
    assert [name for name, _ in frames(tmp_path / "set")] == ["a.png", "b.png"]
    assert [image.shape for _, image in frames(tmp_path / "set" / "a.png")] == [(60, 80, 3)]
    video = tmp_path / "clip.avi"
    writer = cv2.VideoWriter(str(video), cv2.VideoWriter.fourcc(*"MJPG"), 10, (80, 60))
    for shade in (0, 120, 240):
        writer.write(np.full((60, 80, 3), shade, np.uint8))
    writer.release()
    found = list(frames(video))
    assert [name for name, _ in found] == ["clip.avi#000000", "clip.avi#000001", "clip.avi#000002"]
    assert [round(float(image.mean()) / 120) for _, image in found] == [0, 1, 2]


def test_a_video_that_is_none(tmp_path):
    with pytest.raises(DataError, match="finds no frame"):
        list(frames(put(tmp_path / "a.mp4", b"text" * 100)))


def test_a_video_with_frames_beyond_the_limit(tmp_path, monkeypatch):
    video = tmp_path / "clip.avi"
    writer = cv2.VideoWriter(str(video), cv2.VideoWriter.fourcc(*"MJPG"), 10, (80, 60))
    writer.write(PIXELS)
    writer.release()
    monkeypatch.setattr("edgewright.data.frames.MAX_PIXELS", 100)
    with pytest.raises(DataError, match="megapixels"):
        list(frames(video))


@pytest.mark.parametrize(("suffix", "codec"), [(".avi", "MJPG"), (".mkv", "MJPG")])
def test_a_video_that_breaks_in_the_middle_gives_its_good_frames_and_then_says_so(tmp_path, suffix, codec):
    whole = clip(tmp_path / f"whole{suffix}", range(0, 200, 5), codec)
    data = whole.read_bytes()
    broken = tmp_path / f"broken{suffix}"
    broken.write_bytes(data[: len(data) // 2])
    assert len(list(frames(whole))) == 40
    seen = []
    with pytest.raises(DataError, match=r"breaks off after \d+ of 40 frames"):
        seen.extend(name for name, _ in frames(broken))
    assert 5 < len(seen) < 35


def test_a_camera_that_is_not_there():
    with pytest.raises(DataError, match="there is no camera 987"):
        next(frames("camera:987"))
    with pytest.raises(DataError, match="there is no camera 987"):
        next(frames("/dev/video987"))


class FakeCamera:
    """Gives numbered frames every 2 ms, `count` of them."""

    def __init__(self, count=10**9):
        self.count, self.given, self.released = count, 0, False

    def read(self):
        time.sleep(0.002)
        if self.given >= self.count:
            return False, None
        self.given += 1
        return True, np.full((2, 2, 3), self.given % 256, np.uint8)

    def release(self):
        self.released = True


def test_a_reader_slower_than_the_camera_gets_the_newest_frame():
    camera = FakeCamera()
    newest = Newest(camera.read)
    newest.take()
    time.sleep(0.1)
    frame = newest.take()
    assert frame[0, 0, 0] >= camera.given - 2
    assert newest.dropped > 5
    newest.close()
    given = camera.given
    time.sleep(0.02)
    assert camera.given == given


def test_a_camera_that_is_pulled_out_is_an_error_after_its_frames():
    camera = FakeCamera(count=3)
    seen = []
    with pytest.raises(DataError, match="gives no more frames"):
        seen.extend(name for name, _ in camera_frames(0, open_capture=lambda index: camera))
    assert seen[0] == "camera:0#000000"
    assert camera.released


def test_a_camera_is_released_when_the_reader_stops():
    camera = FakeCamera()
    reader = camera_frames(4, open_capture=lambda index: camera)
    next(reader)
    reader.close()
    assert camera.released
