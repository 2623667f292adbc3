"""Result values: what they check, and what they are written as."""

from __future__ import annotations

import json
import sys
import types

import numpy as np
import pytest

from edgewright.errors import DataError, UserError
from edgewright.tasks.detection.detections import Detections
from edgewright.tasks.keypoints.keypoints import Keypoints
from edgewright.tasks.results_file import save_coco, save_json


def detections(names=("cat", "dog")):
    boxes = np.array([[1, 2, 11, 22], [3, 4, 5, 6]], np.float32)
    return Detections(boxes, np.array([0.5, 0.25], np.float32), np.array([1, 0]), names)


def keypoints():
    return Keypoints(np.array([[1, 2], [3, 4]], np.float32), np.array([0.5, 0.25], np.float32), np.eye(2, 8))


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (
            (np.zeros(4, "f4"), np.zeros(1, "f4"), np.zeros(1, "i8")),
            r"2-D array of shape \(n, 4\), but got shape \(4,\)",
        ),
        ((np.zeros((2, 4), "f4"), np.zeros(1, "f4"), np.zeros(2, "i8")), r"scores must have shape \(2,\) as xyxy has"),
        ((np.zeros((2, 4), "f4"), np.zeros(2, "f4"), np.zeros((2, 1), "i8")), r"class_ids must have shape \(2,\)"),
        ((np.zeros((2, 4), "i4"), np.zeros(2, "f4"), np.zeros(2, "i8")), "xyxy and scores must be floats"),
        ((np.zeros((2, 4), "f4"), np.zeros(2, "f4"), np.zeros(2, "f4")), "class_ids integers"),
    ],
)
def test_detections_say_what_is_wrong(columns, message):
    with pytest.raises(ValueError, match=message):
        Detections(*columns)


def test_coco_entries():
    first, second = detections().to_coco(7, [11, 22])
    assert first == {"image_id": 7, "category_id": 22, "bbox": [1, 2, 10, 20], "score": 0.5}
    assert second["category_id"] == 11
    assert detections().to_coco(7)[0]["category_id"] == 1
    assert Detections.empty().to_coco(1, []) == []
    with pytest.raises(ValueError, match="1 entries for class 1"):
        detections().to_coco(7, [11])
    (entry,) = keypoints().to_coco(3)
    assert entry["keypoints"] == [1, 2, 1, 3, 4, 1]
    assert entry["score"] == 0.375
    assert Keypoints.empty(8).to_coco(3) == []


def test_files_read_back(tmp_path):
    pycocotools = pytest.importorskip("pycocotools.coco")
    save_json(tmp_path / "a" / "results.json", {"one.png": detections(), "two.png": keypoints()})
    found = json.loads((tmp_path / "a" / "results.json").read_text())
    assert found["one.png"][0]["name"] == "dog"
    assert found["two.png"][1] == {"point": [3, 4], "score": 0.25}
    save_coco(tmp_path / "coco.json", {"one.png": detections()}, {"one.png": 5})
    labels = pycocotools.COCO()
    labels.dataset = {"images": [{"id": 5}], "categories": [{"id": 0}, {"id": 1}], "annotations": []}
    labels.createIndex()
    assert len(labels.loadRes(str(tmp_path / "coco.json")).getAnnIds([5])) == 2
    with pytest.raises(DataError, match="1 images have no number"):
        save_coco(tmp_path / "coco.json", {"one.png": detections()}, {})
    with pytest.raises(DataError, match="do not fit"):
        save_coco(tmp_path / "coco.json", {"one.png": detections()}, {"one.png": 5}, [1])


def test_without_supervision_the_message_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "supervision", None)
    for found in (detections(), keypoints()):
        with pytest.raises(UserError, match="supervision, which is not installed") as error:
            found.to_supervision()
        assert error.value.todo == "pip install supervision"


def test_supervision_gets_copies(monkeypatch):
    """The calls that are made; `test_real_supervision` runs where the package is installed."""
    fake = types.SimpleNamespace(Detections=lambda **columns: columns, KeyPoints=lambda **columns: columns)
    monkeypatch.setitem(sys.modules, "supervision", fake)
    found = detections()
    given = found.to_supervision()
    assert given["data"]["class_name"].tolist() == ["dog", "cat"]
    assert detections(names=()).to_supervision()["data"] == {}
    given["xyxy"][:] = 0
    assert found.xyxy.any()
    assert keypoints().to_supervision()["xy"].shape == (1, 2, 2)


def test_real_supervision():
    supervision = pytest.importorskip("supervision")
    found = detections().to_supervision()
    assert isinstance(found, supervision.Detections)
    np.testing.assert_array_equal(found.xyxy, detections().xyxy)
    np.testing.assert_array_equal(found.class_id, [1, 0])
    assert len(Detections.empty().to_supervision()) == 0
    assert keypoints().to_supervision().xy.shape == (1, 2, 2)
