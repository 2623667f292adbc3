import subprocess
import sys

import pytest

from edgewright.errors import UserError
from edgewright.tasks import recognise
from edgewright.tasks.base import FAMILIES, Head
from tests.tasks import task_models as tiny

CASES = [
    ("yolov8", tiny.yolov8(), {"axis": 1, "nc": 3, "strides": [8, 16, 32]}),
    ("yolov8", tiny.yolov8(nc=1), {"axis": 1, "nc": 1, "strides": [8, 16, 32]}),
    ("yolov8", tiny.yolov8(nc=2, transposed=True), {"axis": 2, "nc": 2, "strides": [8, 16, 32]}),
    ("yolox", tiny.yolox(), {"axis": 2, "nc": 3, "sigmoid": True, "decoded": False}),
    ("yolox", tiny.yolox(nc=1), {"axis": 2, "nc": 1, "sigmoid": True, "decoded": False}),
    ("yolox", tiny.yolox(activation="Identity"), {"sigmoid": False, "decoded": False}),
    ("yolox", tiny.yolox(decoded=True), {"sigmoid": True, "decoded": True}),
    ("yolov8-raw", tiny.raw_levels(), {"nc": 3, "bins": 16, "sigmoid": False, "strides": [8, 16, 32]}),
    ("yolov8-raw", tiny.raw_levels(swapped=True, sigmoid=True), {"nc": 3, "bins": 16, "sigmoid": True}),
    ("yolov8-raw", tiny.raw_levels(nc=80, swapped=True), {"nc": 80, "bins": 16}),
    ("yolov8-raw", tiny.raw_levels(nc=64, bins=8, sigmoid=True, swapped=True), {"nc": 64, "bins": 8}),
    ("yolov8-raw", tiny.raw_levels(nc=5, bins=1), {"nc": 5, "bins": 1}),
    ("yolov8-raw", tiny.raw_levels(joined=True), {"nc": 3, "bins": 16, "sigmoid": False}),
    ("yolov8-raw", tiny.raw_levels(joined=True, bins=8, sigmoid=True), {"nc": 3, "bins": 8, "sigmoid": True}),
    ("fastestdet", tiny.fastestdet(), {"nc": 3}),
    ("ssd", tiny.ssd(), {"nc": 2}),
    ("ssd", tiny.ssd(columns=4, boxes_first=False, nhwc=True), {"nc": 3}),
    ("superpoint", tiny.superpoint(), {"softmax": False, "descriptor_size": 16}),
    ("superpoint", tiny.superpoint(swapped=True, activation="Softmax<axis=1>"), {"softmax": True}),
]


@pytest.mark.parametrize(("family", "model", "params"), CASES, ids=[f"{n}-{c[0]}" for n, c in enumerate(CASES)])
def test_each_family_is_recognised_by_structure_and_by_no_other(family, model, params):
    head = recognise(model)
    assert head.family == family
    assert head.task == FAMILIES.get(family).task
    assert {key: head.params[key] for key in params} == params
    claims = [entry.name for entry in FAMILIES if entry.recognise(model) is not None]
    assert claims == [family]
    assert Head.from_json(head.to_json()) == head
    assert all(part.output in {spec.name for spec in model.outputs} for part in head.parts)


@pytest.mark.parametrize(
    "model",
    [
        tiny.yolov8(activation="Identity"),  # classes without sigmoid
        tiny.yolov8(joined=False),  # nothing joined
        tiny.raw_levels(tail="Relu"),  # feature maps of a backbone
        tiny.raw_levels(tail="Relu", joined=True),
        tiny.fastestdet(activation="Identity"),
        tiny.ssd(activation="Sigmoid"),  # no background
        tiny.ssd(activation="Identity"),  # DETR: logits
        tiny.superpoint(channels=64),
    ],
)
def test_what_lacks_the_structure_is_no_head(model):
    head = recognise(model)
    assert (head.family, head.task) == ("none", "tensors")
    assert [part.output for part in head.parts] == [spec.name for spec in model.outputs]


def test_the_user_may_overrule_the_graph_but_not_the_shapes():
    logits = tiny.yolov8(activation="Identity")
    assert recognise(logits, "yolov8").family == "yolov8"
    assert recognise(tiny.yolov8(nc=3, transposed=True), "yolox").params["nc"] == 2
    assert recognise(tiny.yolov8(), "tensors").family == "none"
    with pytest.raises(UserError) as error:
        recognise(logits, "superpoint")
    assert "(1, 65, height / 8, width / 8)" in str(error.value)
    assert "float32[1x7x84]" in str(error.value)


def test_an_unknown_family_is_answered_with_the_nearest_names():
    with pytest.raises(UserError, match=r"did you mean.*yolov8.*or tensors"):
        recognise(tiny.yolov8(), "yolo8")


def test_parts_cover_the_channels_of_each_family():
    parts = {part.name: (part.axis, part.start, part.stop, part.kind) for part in recognise(tiny.yolox()).parts}
    assert parts == {
        "boxes": (2, 0, 4, "other"),
        "objectness": (2, 4, 5, "probability"),
        "scores": (2, 5, None, "probability"),
    }
    parts = {part.name: (part.axis, part.start, part.stop, part.kind) for part in recognise(tiny.yolov8()).parts}
    assert parts == {"boxes": (1, 0, 4, "boxes"), "scores": (1, 4, None, "probability")}


def test_contracts_follow_the_input():
    for family, model, _ in CASES:
        contract = FAMILIES.get(family).contract(recognise(model), model)
        assert contract.shape == model.inputs[0].shape
        assert contract.input == model.inputs[0].name
    preset = FAMILIES.get("yolox").contract(recognise(tiny.yolox()), tiny.yolox())
    assert (preset.colour, preset.resize, preset.std) == ("BGR", "letterbox-topleft", (1.0, 1.0, 1.0))


def test_importing_tasks_stays_cheap():
    code = (
        "import sys, edgewright.tasks; print([m for m in ('onnxruntime', 'pycocotools', 'torch') if m in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "[]"
