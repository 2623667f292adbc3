"""PaddleDetection's heads: recognised by structure alone, decoded as plain formulas do."""

import numpy as np
import pytest

from edgewright.errors import UserError
from edgewright.graph.endings.scale import fold_scale
from edgewright.tasks import recognise
from edgewright.tasks.base import FAMILIES, Head
from tests.tasks import paddle_models as paddle
from tests.tasks import task_models as tiny
from tests.tasks.test_decode_detection import assert_same, decoded

FOUR = (8, 16, 32, 64)


def whole_rows():
    folded = fold_scale(paddle.queries(end="rows"))
    assert folded is not None
    return folded.model


CASES = [
    ("ppyoloe", paddle.corner_rows(), {"nc": 3, "strides": [8, 16, 32]}),
    ("ppyoloe", paddle.corner_rows(nc=1), {"nc": 1}),
    ("ppyoloe", paddle.corner_rows(nc=4), {"nc": 4}),  # four classes: scores are told from boxes by the axis
    ("ppyoloe", paddle.corner_rows(end="one"), {"nc": 3}),
    ("picodet", paddle.corner_rows(FOUR, score="aligned"), {"nc": 3, "strides": list(FOUR)}),
    ("picodet", paddle.corner_rows(FOUR, score="Sigmoid"), {"nc": 3}),
    ("picodet-raw", paddle.tables(), {"nc": 3, "bins": 8, "strides": list(FOUR), "sigmoid": True}),
    ("picodet-raw", paddle.tables(nc=4, bins=1), {"nc": 4, "bins": 1}),
    ("picodet-raw", paddle.tables(nc=80, boxes_first=True), {"nc": 80, "bins": 8}),
    ("rtdetr", paddle.queries(), {"nc": 3, "sigmoid": False}),
    ("rtdetr", paddle.queries(activation="Sigmoid"), {"nc": 3, "sigmoid": True}),
    ("rtdetr", paddle.queries(activation="Sigmoid", end="one"), {"nc": 3, "sigmoid": True}),
    ("rtdetr-rows", whole_rows(), {"rows": 6}),
    ("yolov8", paddle.corner_rows(boxes="centre", end="one"), {"nc": 3, "axis": 2}),
]


@pytest.mark.parametrize(("family", "model", "params"), CASES, ids=[f"{n}-{c[0]}" for n, c in enumerate(CASES)])
def test_each_family_is_recognised_by_structure_and_by_no_other(family, model, params):
    head = recognise(model)
    assert head.family == family
    assert {key: head.params[key] for key in params} == params
    assert [entry.name for entry in FAMILIES if entry.recognise(model) is not None] == [family]
    assert Head.from_json(head.to_json()) == head
    for part in head.parts:
        assert part.output in {spec.name for spec in model.outputs}


@pytest.mark.parametrize(
    "model",
    [
        paddle.corner_rows(score="Identity"),  # scores are no probabilities
        paddle.corner_rows(boxes="centre"),  # centre and size in outputs of their own
        paddle.corner_rows(end="nms"),  # as many rows as NMS leaves
        paddle.tables(activation="Identity"),
        paddle.queries(chosen=False),  # DETR: its logits have a class for nothing
        paddle.queries(boxes="Identity"),
        paddle.queries(activation="Softmax<axis=2>"),
    ],
)
def test_what_lacks_the_structure_is_no_head(model):
    assert recognise(model).family == "none"


def test_a_named_family_is_read_by_shapes_alone():
    assert recognise(paddle.corner_rows(score="Identity"), "ppyoloe").params["nc"] == 3
    assert recognise(paddle.tables(activation="Identity"), "picodet-raw").params["sigmoid"] is False
    assert recognise(paddle.queries(chosen=False), "rtdetr").params["nc"] == 3
    with pytest.raises(UserError, match="cannot be read as picodet"):
        recognise(tiny.yolov8(), "picodet")


@pytest.mark.parametrize("end", ["two", "one"])
def test_corners_are_taken_as_they_are(end):
    random = np.random.default_rng(0)
    boxes, scores = random.uniform(-20, 90, (84, 4)).astype(np.float32), random.random((3, 84)).astype(np.float32)
    expected = [[k, scores[k, cell], *boxes[cell]] for cell in range(84) for k in range(3)]
    two = {"boxes": boxes[None], "scores": scores[None]}
    one = {"out": np.concatenate([boxes, scores.T], axis=1)[None]}
    assert_same(decoded(paddle.corner_rows(end=end), two if end == "two" else one), expected)


@pytest.mark.parametrize("bins", [8, 1])
def test_tables_of_distributions(bins):
    random, outputs, expected = np.random.default_rng(1), {}, []
    for stride in FOUR:
        side = 64 // stride
        scores = random.random((side * side, 3)).astype(np.float32)
        table = random.normal(0, 2, (side * side, 4 * bins)).astype(np.float32)
        outputs |= {f"c{stride}": scores[None], f"b{stride}": table[None]}
        for cell in range(side * side):
            distance = []
            for raw in table[cell].astype(float).reshape(4, bins):
                share = np.exp(raw) / np.exp(raw).sum()
                distance.append(float((share * np.arange(bins)).sum()) if bins > 1 else float(raw[0]))
            x, y = cell % side + 0.5, cell // side + 0.5
            left, top, right, bottom = distance
            box = [(x - left) * stride, (y - top) * stride, (x + right) * stride, (y + bottom) * stride]
            expected += [[k, scores[cell, k], *box] for k in range(3)]
    assert_same(decoded(paddle.tables(bins=bins), outputs), expected)


@pytest.mark.parametrize(("activation", "end"), [("Identity", "two"), ("Sigmoid", "two"), ("Sigmoid", "one")])
def test_queries(activation, end):
    random = np.random.default_rng(2)
    boxes, values = random.random((5, 4)).astype(np.float32), random.normal(0, 2, (5, 3)).astype(np.float32)
    probable = 1 / (1 + np.exp(-values))
    given = probable if activation == "Sigmoid" else values
    expected = []
    for query in range(5):
        cx, cy, w, h = (float(v) * 64 for v in boxes[query])
        box = [cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2]
        expected += [[k, probable[query, k], *box] for k in range(3)]
    two = {"boxes": boxes[None], "scores": given[None]}
    one = {"out": np.concatenate([boxes, given], axis=1)[None]}
    assert_same(decoded(paddle.queries(activation=activation, end=end), two if end == "two" else one), expected)


def test_an_object_of_two_queries_stays_two():
    family = FAMILIES.get("rtdetr")
    assert family.evaluation.iou == 1.0
    assert family.running.iou == 1.0


def test_rows_that_the_graph_chose():
    head = FAMILIES.get("rtdetr-rows").fit(tiny.parse(_ROWS))
    assert head is not None
    rows = np.array([[2, 0.9, 1, 2, 30, 40], [0, 0.4, 5, 6, 7, 8], [-1, 0.9, 0, 0, 0, 0]], np.float32)
    family = FAMILIES.get("rtdetr-rows")
    found = family.decode({"rows": rows}, head, family.contract(head, tiny.parse(_ROWS)), family.evaluation)
    assert found.class_ids.tolist() == [2, 0]  # class -1 fills rows that are not needed
    assert found.xyxy.tolist() == [[1, 2, 30, 40], [5, 6, 7, 8]]
    assert found.scores.tolist() == pytest.approx([0.9, 0.4])


_ROWS = """
g (float[1,3,64,64] x) => (float[3,6] rows, int32[1] number)
<int32[1] three = {3}, int64[1] n = {18}, int64[1] zero = {0}, int64[1] flat = {-1}, int64[2] s = {3, 6}>
{
  number = Identity(three)
  a = Reshape(x, flat)
  b = Slice(a, zero, n)
  rows = Reshape(b, s)
}"""


def test_contracts_are_those_of_paddledetection():
    for name, model in (
        ("ppyoloe", paddle.corner_rows()),
        ("picodet", paddle.corner_rows(FOUR)),
        ("picodet-raw", paddle.tables()),
    ):
        contract = FAMILIES.get(name).contract(recognise(model), model)
        assert (contract.resize, contract.interpolation, contract.colour) == ("stretch", "cubic", "RGB")
        assert contract.mean == pytest.approx((0.485 * 255, 0.456 * 255, 0.406 * 255))
        assert contract.std == pytest.approx((0.229 * 255, 0.224 * 255, 0.225 * 255))
    model = paddle.queries()
    contract = FAMILIES.get("rtdetr").contract(recognise(model), model)
    assert (contract.resize, contract.mean, contract.std) == ("stretch", (0.0,) * 3, (255.0,) * 3)
