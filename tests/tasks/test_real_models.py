"""The real models on real images: recognised, decoded, and as accurate as independent measurements found them."""

from pathlib import Path

import cv2
import pytest

from edgewright.data.contract import preprocess
from edgewright.data.labels import load_labels
from edgewright.graph.io import load_model
from edgewright.graph.reference import ReferenceSession
from edgewright.tasks import recognise
from edgewright.tasks.base import FAMILIES
from edgewright.tasks.detection.metrics import coco_ap
from edgewright.tasks.detection.postprocess import decode_image
from edgewright.tasks.keypoints.metrics import keypoint_metrics
from edgewright.tasks.keypoints.postprocess import decode_keypoints

ASSETS = Path(__file__).resolve().parents[2].parent / "shared" / "assets"
pytestmark = [pytest.mark.assets, pytest.mark.skipif(not ASSETS.is_dir(), reason="no measuring data here")]


@pytest.fixture(scope="module")
def val():
    paths = sorted((ASSETS / "coco" / "val" / "images").glob("*.jpg"))
    return {path.name: cv2.imread(str(path)) for path in paths}, load_labels(ASSETS / "coco" / "val", paths)


def opened(name):
    model = load_model(ASSETS / "models" / name)
    head = recognise(model)
    family = FAMILIES.get(head.family)
    return head, family, family.contract(head, model), ReferenceSession(model.data)


# file, family, AP and AP50 as measured elsewhere on the same images
DETECTORS = [
    ("leyolo_nano_640.onnx", "yolov8", 39.4, 52.3),
    ("leyolo_nano_320.onnx", "yolov8", 37.4, 49.4),
    ("yolox_nano_416.onnx", "yolox", 36.3, 52.8),
    ("fastestdet_352.onnx", "fastestdet", 22.6, 40.2),
]


@pytest.mark.parametrize(("name", "expected", "ap", "ap50"), DETECTORS)
def test_detectors_reach_their_ap(name, expected, ap, ap50, val):
    images, labels = val
    head, family, contract, session = opened(name)
    assert head.family == expected
    assert head.params["nc"] == 80
    found = {}
    for file, image in images.items():
        tensor, place = preprocess(image, contract)
        found[file] = decode_image(family, session({contract.input: tensor}), head, contract, family.evaluation, place)
    metric = coco_ap(found, labels, 80)
    assert metric.value == pytest.approx(ap, abs=0.1)
    assert metric.details["AP50"] == pytest.approx(ap50, abs=0.1)


def test_ultraface_finds_faces(val):
    images, _ = val
    head, family, contract, session = opened("ultraface_rfb_320.onnx")
    assert (head.family, head.params["nc"]) == ("ssd", 1)
    counts = {}
    for file, image in images.items():
        tensor, place = preprocess(image, contract)
        counts[file] = decode_image(family, session({contract.input: tensor}), head, contract, family.running, place)
    assert 5 < sum(len(found) for found in counts.values()) < 100
    for file, found in counts.items():
        height, width = images[file].shape[:2]
        assert (found.xyxy[:, 2:] > found.xyxy[:, :2]).all()
        assert (found.xyxy <= [width, height] * 2).all()


def test_superpoint_holds_on_homographies(val):
    head, family, contract, session = opened("superpoint_240x320.onnx")
    assert (head.family, head.params["descriptor_size"]) == ("superpoint", 256)

    def run(image):
        tensor, place = preprocess(image, contract)
        return decode_keypoints(family, session({contract.input: tensor}), head, contract, family.evaluation, place)

    chosen = [cv2.resize(image, (320, 240), interpolation=cv2.INTER_AREA) for image in list(val[0].values())[:8]]
    metric = keypoint_metrics(run, chosen, 0, 1)
    assert metric.value == pytest.approx(94, abs=4)
    assert metric.details["repeatability@3px"] == pytest.approx(0.80, abs=0.05)
    assert metric.details["homography@3px"] >= 0.9
