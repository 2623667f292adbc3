"""Images and labels that cannot be used."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from tests.cli import zoo
from tests.cli.conftest import Cli


def deploy(*words: str) -> tuple[str, ...]:
    return ("deploy", "m.onnx", *words)


DATA = ("--images", "val", "--calibration", "cal")


def pictures(folder: Path, *shape: int) -> str:
    folder.mkdir()
    for number in range(3):
        values = np.random.default_rng(number).integers(0, 255, shape, np.uint8)
        cv2.imwrite(str(folder / f"{number}.png"), values)
    return folder.name


def coco(cli: Cli, **changes: Any) -> str:
    """The labels of `val` with a change in their first annotation."""
    data = json.loads((cli.folder / "val.json").read_text(encoding="utf-8"))
    data["categories"].append({"id": 77, "name": "cow"})
    data["annotations"][0].update(changes)
    return cli.save("changed.json", json.dumps(data))


def test_no_folder(cli: Cli) -> None:
    assert cli.refused(*deploy("--images", "nowhere"))["what"] == "there is no file or folder nowhere"
    error = cli.refused(*deploy("--images", "val", "--calibration", "nowhere"))
    assert error["what"] == "there is no file or folder nowhere"


def test_empty_folder(cli: Cli) -> None:
    (cli.folder / "none").mkdir()
    error = cli.refused(*deploy("--images", "none"))
    assert error["what"] == "there are no images in this folder"
    assert error["why"] == "it is empty"


@pytest.mark.parametrize(("images", "calibration"), [("mixed", "cal"), ("val", "mixed")])
def test_text_that_is_called_jpg(cli: Cli, images: str, calibration: str) -> None:
    shutil.copytree(cli.folder / "cal", cli.folder / "mixed")
    cli.save("mixed/fake.jpg", "I am text")
    words = deploy("--images", images, "--calibration", calibration)
    error = cli.refused(*words)
    assert error["what"] == "1 of 7 images cannot be read"
    assert "fake.jpg" in error["why"]
    assert error["where"] == "mixed"
    answer = cli(*words, "--allow-skip", "--json")
    assert answer.status == 0
    found = [finding for finding in answer.data["findings"] if finding["code"] == "EW201"]
    assert len(found) == 1
    assert "fake.jpg" in found[0]["message"]


def test_nothing_but_unreadable_images_cannot_be_skipped(cli: Cli) -> None:
    cli.save("bad/a.jpg", "I am text")
    error = cli.refused(*deploy("--images", "bad", "--calibration", "cal", "--allow-skip"))
    assert error["what"] == "1 of 1 images cannot be read"


def test_one_image_and_no_calibration(cli: Cli) -> None:
    (cli.folder / "single").mkdir()
    shutil.copy(cli.folder / "val" / "0-000.png", cli.folder / "single")
    error = cli.refused(*deploy("--images", "single"))
    assert error["what"] == "too few images (1) to calibrate with one half and measure with the other"
    assert "--calibration" in error["do"]
    assert cli(*deploy("--images", "single", "--precision", "float")).status == 0
    assert cli(*deploy("--images", "single", "--calibration", "cal")).status == 0


@pytest.mark.parametrize("shape", [(1, 1, 3), (3, 2000, 3), (2000, 3, 3)], ids=["1x1", "2000x3", "3x2000"])
def test_odd_sizes(cli: Cli, shape: tuple[int, ...]) -> None:
    """A letterbox of such an image is a line; it goes through all the same, or is refused in words."""
    folder = pictures(cli.folder / "odd", *shape)
    unknown = cli.save("maps.onnx", zoo.maps())
    assert cli("deploy", unknown, "--images", folder, "--calibration", folder).status == 0
    error = cli.refused(*deploy("--images", folder, "--calibration", "cal"))
    assert error["what"].startswith("the float model detects nothing")


def test_gray_images(cli: Cli) -> None:
    folder = pictures(cli.folder / "gray", 40, 32)
    unknown = cli.save("maps.onnx", zoo.maps())
    assert cli("deploy", unknown, "--images", folder, "--calibration", folder).status == 0
    points = cli.save("points.onnx", zoo.keypoints())
    answer = cli("deploy", points, "--images", folder, "--calibration", folder, "--json", "--max-drop", "100")
    assert answer.status == 0
    assert answer.data["variants"][0]["metric"] == "matching accuracy"


def test_labels_of_other_images(cli: Cli) -> None:
    error = cli.refused(*deploy(*DATA, "--labels", "cal.json"))
    assert error["what"] == "none of the 6 images has labels here"
    assert "0-000.png" in error["why"]


def test_labels_missing(cli: Cli) -> None:
    assert cli.refused(*deploy(*DATA, "--labels", "no.json"))["what"] == "there is nothing at no.json"


def test_class_beyond_the_model(cli: Cli) -> None:
    error = cli.refused(*deploy(*DATA, "--labels", coco(cli, category_id=77)))
    assert error["what"] == "class 3 is labelled, but the model has only classes 0 to 2"
    assert cli.refused("compare", "m.onnx", "m.onnx", "--images", "val", "--labels", "changed.json") == error


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"category_id": 99}, "category 99 is not among the categories"),
        ({"bbox": [1, 2, 3]}, "the bbox [1, 2, 3] is not four finite numbers"),
        ({"bbox": [1, 2, -3, 4]}, "the bbox has the negative size -3.0 x 4.0"),
        ({"image_id": "x"}, "'image_id' must be a whole number"),
    ],
)
def test_malformed_annotation(cli: Cli, change: dict[str, Any], what: str) -> None:
    assert what in cli.refused(*deploy(*DATA, "--labels", coco(cli, **change)))["what"]


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b'{"images": [', "this file is not valid JSON"),
        (b"[1]", "this JSON file holds no COCO labels"),
        (b"", "this file is not valid JSON"),
        (b"\xff\xfe", ""),
    ],
)
def test_malformed_file(cli: Cli, content: bytes, what: str) -> None:
    error = cli.refused(*deploy(*DATA, "--labels", cli.save("bad.json", content)))
    assert error["what"].startswith(what)
    assert "bad.json" in error["where"]


@pytest.mark.parametrize(
    ("line", "what"),
    [("7 .5 .5 .1 .1", "class 7 is labelled"), ("0 .5 .5 .1", "this line is no YOLO label"), ("a b c d e", "")],
)
def test_malformed_yolo_line(cli: Cli, line: str, what: str) -> None:
    cli.save("yolo/0-000.txt", f"{line}\n")
    error = cli.refused(*deploy(*DATA, "--labels", "yolo"))
    assert error["what"].startswith(what)
    assert "0-000" in error["where"]


@pytest.mark.parametrize(("model", "family"), [(zoo.keypoints(), "superpoint"), (zoo.maps(), "none")])
def test_labels_for_a_head_without_boxes(cli: Cli, model: Any, family: str) -> None:
    name = cli.save("other.onnx", model)
    error = cli.refused("deploy", name, *DATA, "--labels", "val.json")
    assert error["what"] == f"labels were given, but the head ({family}) has no boxes to measure with them"
    assert cli.refused("compare", name, name, "--images", "val", "--labels", "val.json") == error
