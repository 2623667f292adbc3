"""The whole way with ONNX Runtime and the real head families: build, pack, zip, load, predict."""

from __future__ import annotations

import cv2
import numpy as np
import onnx
import onnx.parser
import onnx_ir as ir
import pytest

from edgewright.bundle.pack import Contents, pack_bundle, zip_bundle
from edgewright.data.contract import Contract
from edgewright.errors import TargetMismatch
from edgewright.graph.model import Model
from edgewright.graph.reference import ReferenceSession
from edgewright.runtime.golden import record_golden
from edgewright.runtime.load import load
from edgewright.targets.registry import get_backend
from edgewright.tasks.base import FAMILIES
from edgewright.tasks.detection.detections import Detections
from edgewright.tasks.keypoints.keypoints import Keypoints
from edgewright.tasks.recognise import recognise

DETECTOR = """
<ir_version: 8, opset_import: ["" : 17]>
detector (float[1,3,32,32] image) => (float[1,6,21] output)
<float[1,6,21] table, float[6] weight>
{ mean = ReduceMean <axes=[1,2,3], keepdims=0> (image)
  shape = Constant <value_ints=[1,6,1]> () w = Reshape (weight, shape)
  scaled = Mul (mean, w) output = Add (table, scaled) }
"""
POINTS = """
<ir_version: 8, opset_import: ["" : 17]>
points (float[1,3,32,32] image) => (float[1,65,4,4] semi, float[1,8,4,4] desc)
<float[65,3,8,8] first, float[8,3,8,8] second>
{ semi = Conv <strides=[8,8]> (image, first) desc = Conv <strides=[8,8]> (image, second) }
"""


def parsed(text, **weights):
    proto = onnx.parser.parse_model(text)
    del proto.graph.initializer[:]
    for name, values in weights.items():
        proto.graph.initializer.append(onnx.numpy_helper.from_array(np.asarray(values, np.float32), name))
    return Model(ir.from_proto(proto))


def bundle_of(model, task, contract, tmp_path, tolerance=1e-4):
    head, backend = recognise(model, task), get_backend("onnxruntime/cpu")
    artifact = backend.build(model, None, tmp_path / "built")
    image = tmp_path / "golden.png"
    cv2.imwrite(str(image), np.random.default_rng(3).integers(0, 256, (64, 32, 3), np.uint8))
    with backend.open(artifact) as session:
        golden = record_golden(session, artifact, contract, [image], tolerance)
    contents = Contents(
        artifact=artifact,
        variant="float",
        model={"name": model.name, "digest": model.digest, "opset": model.opset},
        head=head,
        contract=contract,
        settings=FAMILIES.get(task).running,
        golden=golden,
        names=("cat", "dog"),
        host=backend.host(),
    )
    return zip_bundle(pack_bundle(tmp_path / "bundle", contents), tmp_path / "bundle.zip")


@pytest.fixture
def detector(tmp_path):
    table = np.zeros((1, 6, 21), np.float32)
    table[0, :4] = 1  # boxes of one pixel
    table[0, :4, 5] = (16, 16, 8, 12)  # centre and size, network pixels
    weight = [0, 0, 0, 0, 0, 0]
    table[0, 5, 5] = 0.5  # a dog
    weight[5] = 0.0
    table[0, 4, 9], table[0, :4, 9] = 0.3, (4, 4, 4, 4)  # a weaker cat, in the padding
    return bundle_of(
        parsed(DETECTOR, table=table, weight=weight), "yolov8", Contract(input="image", width=32, height=32), tmp_path
    )


def test_detections_lie_in_image_pixels(detector):
    image = np.full((64, 32, 3), 90, np.uint8)  # letterbox: half the size, 8 columns of padding left and right
    with load(detector) as predict:
        found = predict(image)
        assert isinstance(found, Detections)
        assert [found.name(i) for i in found.class_ids] == ["dog", "cat"]
        np.testing.assert_allclose(found.xyxy[0], [8, 20, 24, 44])
        assert found.scores[0] == pytest.approx(0.5)
        assert len(predict(image, confidence=0.4)) == 1
        assert len(predict(image, confidence=0.6)) == 0
        assert {r.part for r in predict.golden} == {"input", "boxes", "scores"}
        assert predict.ran_on.startswith("onnxruntime")
        assert [len(one) for one in predict.predict_many([image] * 3, confidence=0.4)] == [1, 1, 1]


def test_each_image_keeps_its_own_size_when_the_runtime_reads_ahead(detector):
    class Ahead(ReferenceSession):
        def run_many(self, feeds):
            return super().run_many(list(feeds))

    class Backend(type(get_backend("onnxruntime/cpu"))):
        def open(self, artifact):
            return Ahead(artifact.path.read_bytes(), name="model")

    images = [np.full((32 * n, 32 * n, 3), 90, np.uint8) for n in (1, 2, 4)]
    with load(detector, backend=Backend("cpu")) as predict:
        found = list(predict.predict_many(images, confidence=0.4))
    np.testing.assert_allclose([one.xyxy[0] for one in found], np.outer([1, 2, 4], [12, 10, 20, 22]))


def test_overlapping_boxes_follow_the_callers_iou(tmp_path):
    table = np.zeros((1, 6, 21), np.float32)
    table[0, :4, 0], table[0, :4, 1] = (16, 16, 8, 8), (18, 16, 8, 8)  # overlap 0.6
    table[0, 4, :2] = 0.9, 0.8
    file = bundle_of(
        parsed(DETECTOR, table=table, weight=np.zeros(6)),
        "yolov8",
        Contract(input="image", width=32, height=32),
        tmp_path,
    )
    with load(file) as predict:
        image = np.zeros((32, 32, 3), np.uint8)
        assert len(predict(image)) == 2  # 0.7 in the bundle
        assert len(predict(image, iou=0.5)) == 1


def test_keypoints_lie_in_image_pixels(tmp_path):
    first = np.zeros((65, 3, 8, 8), np.float32)
    first[np.arange(64), :, np.arange(64) // 8, np.arange(64) % 8] = 10  # each pixel's logit is its brightness
    second = np.random.default_rng(0).normal(size=(8, 3, 8, 8))
    contract = Contract(input="image", width=32, height=32, resize="stretch")
    file = bundle_of(parsed(POINTS, first=first, second=second), "superpoint", contract, tmp_path)
    image = np.zeros((64, 64, 3), np.uint8)
    image[20:22, 40:42] = 255  # network pixel (20, 10)
    with load(file) as predict:
        found = predict(image)
        assert isinstance(found, Keypoints)
        np.testing.assert_allclose(found.xy[0], [40.5, 20.5])
        np.testing.assert_allclose(np.linalg.norm(found.descriptors[0]), 1, rtol=1e-5)


def test_the_manifest_names_this_host_and_another_is_refused(detector, monkeypatch):
    backend = get_backend("onnxruntime/cpu")
    with load(detector) as predict:
        assert predict.manifest.host == dict(backend.host())

    class Elsewhere(type(backend)):
        def host(self):
            return {**super().host(), "architecture": "mips"}

    with pytest.raises(TargetMismatch, match="this host is mips"):
        load(detector, backend=Elsewhere("cpu"))
