from __future__ import annotations

import re
import struct
import zlib

import cv2
import numpy as np
import pytest

from edgewright.data import images
from edgewright.data.image_header import image_header
from edgewright.data.images import (
    Skipped,
    image_digest,
    image_from_bytes,
    iterate_images,
    list_images,
    read_image,
    readable_images,
)
from edgewright.errors import DataError

PIXELS = np.random.default_rng(0).integers(0, 256, (60, 80, 3), np.uint8)
FORMATS = [".png", ".jpg", ".webp", ".bmp", ".tiff", ".ppm"]


def encoded(suffix=".png", pixels=PIXELS):
    return cv2.imencode(suffix, pixels)[1].tobytes()


def put(path, data=None):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encoded(path.suffix) if data is None else data)
    return path


def refused(path, match):
    with pytest.raises(DataError) as caught:
        read_image(path)
    error = caught.value
    assert error.where == str(path)
    assert error.todo
    assert re.search(match, f"{error.what}\n{error.why}")  # not in `where`: the folder is named after the test
    return error


# ------------------------------------------------------------------------------------------- listing


def test_a_folder_is_sorted_and_without_what_is_no_image(tmp_path):
    for name in ("b.png", "a.JPG", "ü 你好.png", "._b.png", ".DS_Store", "labels.json", "deep/c.png"):
        put(tmp_path / name, b"x")
    assert [path.name for path in list_images(tmp_path)] == ["a.JPG", "b.png", "ü 你好.png"]


def test_a_file_and_an_images_folder(tmp_path):
    file = put(tmp_path / "set" / "images" / "a.png")
    put(tmp_path / "set" / "labels.json", b"{}")
    assert list_images(file) == [file]
    assert list_images(tmp_path / "set") == [file]


@pytest.mark.parametrize(
    ("names", "match"),
    [
        ([], "it is empty"),
        (["a.txt", "b.txt", "c.json"], r"2 x \.txt, 1 x \.json"),
        (["train/a.png", "other/x.txt"], r"folder other, folder train[\s\S]*pass .*train"),
    ],
)
def test_a_folder_without_images_says_what_it_holds(tmp_path, names, match):
    for name in names:
        put(tmp_path / name, b"x")
    with pytest.raises(DataError, match=match):
        list_images(tmp_path)


def test_a_missing_path_and_a_file_of_another_kind(tmp_path):
    with pytest.raises(DataError, match="there is no file or folder"):
        list_images(tmp_path / "nowhere")
    with pytest.raises(DataError, match="not an image by its name"):
        list_images(put(tmp_path / "model.onnx", b"x"))


# ------------------------------------------------------------------------------------------- reading


@pytest.mark.parametrize("suffix", FORMATS)
def test_formats_give_their_pixels(tmp_path, suffix):
    image = read_image(put(tmp_path / f"ü {suffix[1:]} 你好{suffix}"))
    assert image.dtype == np.uint8
    assert image.shape == (60, 80, 3)
    if suffix in (".png", ".bmp", ".tiff", ".ppm"):
        np.testing.assert_array_equal(image, PIXELS)
    else:
        np.testing.assert_array_equal(image, cv2.imdecode(np.frombuffer(encoded(suffix), np.uint8), 1))


@pytest.mark.parametrize("suffix", FORMATS)
def test_headers_tell_the_size_before_decoding(suffix):
    header = image_header(encoded(suffix))
    assert (header.width, header.height, header.complete) == (80, 60, True)


def test_lossy_and_animated_webp_headers():
    data = cv2.imencode(".webp", PIXELS, [cv2.IMWRITE_WEBP_QUALITY, 50])[1].tobytes()
    assert (image_header(data).width, image_header(data).height) == (80, 60)
    chunk = b"VP8X" + struct.pack("<I", 10) + bytes(4) + (99).to_bytes(3, "little") + (49).to_bytes(3, "little")
    extended = b"RIFF" + struct.pack("<I", 4 + len(chunk)) + b"WEBP" + chunk
    assert (image_header(extended).width, image_header(extended).height) == (100, 50)


def test_gray_alpha_and_16_bit_become_8_bit_bgr(tmp_path):
    gray = read_image(put(tmp_path / "g.png", encoded(pixels=PIXELS[:, :, 0])))
    np.testing.assert_array_equal(gray, np.repeat(PIXELS[:, :, :1], 3, axis=2))
    alpha = np.dstack([PIXELS, np.zeros((60, 80), np.uint8)])
    np.testing.assert_array_equal(read_image(put(tmp_path / "a.png", encoded(pixels=alpha))), PIXELS)
    deep = PIXELS.astype(np.uint16) * 256 + 200
    np.testing.assert_array_equal(read_image(put(tmp_path / "d.png", encoded(pixels=deep))), PIXELS)


def test_exif_orientation_is_applied(tmp_path):
    data = encoded(".jpg")
    exif = b"Exif\0\0II*\0\x08\0\0\0\x01\0" + struct.pack("<HHIHH", 0x0112, 3, 1, 6, 0) + bytes(4)
    turned = data[:2] + b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif + data[2:]
    image = read_image(put(tmp_path / "t.jpg", turned))
    np.testing.assert_array_equal(image, np.rot90(read_image(put(tmp_path / "s.jpg", data)), -1))


def test_the_content_counts_and_not_the_name(tmp_path):
    np.testing.assert_array_equal(read_image(put(tmp_path / "really_png.jpg", encoded())), PIXELS)
    np.testing.assert_array_equal(image_from_bytes(encoded(), tmp_path / "upload"), PIXELS)


@pytest.mark.parametrize(
    ("data", "match"),
    [
        (b"", r"empty \(0 bytes\)"),
        (b"this is a text file\n", r"no JPEG[\s\S]*begins b'this is a text f'"),
        (b"<html>not found</html>", "no JPEG"),
        (b"\xff\xd8\xff", "truncated"),
        (b"\x89PNG\r\n\x1a\n", "truncated"),
        (b"BM", "truncated"),
        (b"II*\0", "truncated"),
        (b"RIFF\x04\0\0\0WEBP", "truncated"),
    ],
)
def test_files_that_are_no_images(tmp_path, data, match):
    refused(put(tmp_path / "a.jpg", data), match)


@pytest.mark.parametrize("suffix", FORMATS)
@pytest.mark.parametrize("keep", [0.5, 0.9])
def test_truncated_images(tmp_path, suffix, keep):
    data = encoded(suffix)
    error = refused(put(tmp_path / f"a{suffix}", data[: int(len(data) * keep)]), "cannot be read")
    if suffix in (".png", ".jpg", ".webp"):
        assert "truncated" in error.why


def test_a_truncated_jpeg_with_a_whole_thumbnail(tmp_path):
    data, thumbnail = encoded(".jpg"), encoded(".jpg", PIXELS[:8, :8])
    assert thumbnail.endswith(b"\xff\xd9")
    whole = data[:2] + b"\xff\xe1" + struct.pack(">H", len(thumbnail) + 2) + thumbnail + data[2:]
    assert read_image(put(tmp_path / "whole.jpg", whole)).shape == (60, 80, 3)
    refused(put(tmp_path / "a.jpg", whole[: len(whole) - 400]), "truncated")


def test_a_damaged_png(tmp_path):
    data = bytearray(encoded())
    data[len(data) // 2] ^= 0x55
    refused(put(tmp_path / "a.png", bytes(data)), "cannot be decoded|OpenCV")


def png_declaring(width, height):
    def chunk(kind, body):
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(bytes(100))) + chunk(b"IEND", b"")


def test_a_decompression_bomb_is_refused_before_decoding(tmp_path, monkeypatch):
    monkeypatch.setattr(cv2, "imdecode", lambda *_: pytest.fail("it was decoded"))
    refused(
        put(tmp_path / "a.png", png_declaring(60_000, 60_000)), r"60000x60000 pixels \(3600 megapixels\), the limit"
    )


def test_opencvs_own_limit_is_told_as_ours(tmp_path, monkeypatch):
    monkeypatch.setattr(images, "MAX_PIXELS", 2**62)
    refused(put(tmp_path / "a.png", png_declaring(2**19, 2**19)), "OpenCV")


def test_a_file_of_too_many_bytes(tmp_path, monkeypatch):
    monkeypatch.setattr(images, "MAX_FILE_BYTES", 100)
    refused(put(tmp_path / "a.png"), "MiB")


def test_missing_files_and_folders(tmp_path):
    refused(tmp_path / "a.png", "does not exist")
    refused(tmp_path, "not a regular file")


def test_the_digest_is_of_the_bytes(tmp_path):
    assert image_digest(put(tmp_path / "a.png", b"abc")).startswith("ba7816bf")
    with pytest.raises(DataError, match="no image file"):
        image_digest(tmp_path / "b.png")


# ------------------------------------------------------------------------------------------- many


def mixed(tmp_path):
    put(tmp_path / "a.png")
    put(tmp_path / "b.png", b"text")
    put(tmp_path / "c.png")
    return list_images(tmp_path)


def test_one_bad_image_stops_the_way_unless_it_may_be_skipped(tmp_path):
    paths = mixed(tmp_path)
    with pytest.raises(DataError, match=r"b\.png"):
        list(iterate_images(paths))
    with pytest.raises(DataError, match=r"1 of 3 images cannot be read[\s\S]*b\.png: its content is no JPEG"):
        readable_images(paths)
    readable, skipped = readable_images(paths, allow_skip=True)
    assert [path.name for path in readable] == ["a.png", "c.png"]
    assert skipped == [Skipped(paths[1], skipped[0].reason)]
    assert "no JPEG" in skipped[0].reason


def test_only_bad_images_are_an_error_even_when_skipping(tmp_path):
    paths = [put(tmp_path / f"{n}.png", b"text") for n in range(7)]
    with pytest.raises(DataError, match=r"7 of 7[\s\S]*\.\.\."):
        readable_images(paths, allow_skip=True)


def test_images_are_read_only_when_they_are_wanted(tmp_path):
    stream = iterate_images(mixed(tmp_path))
    assert next(stream)[0].name == "a.png"  # b.png, unreadable, was not touched yet
