"""Decoding against plain formulas, written out for one cell at a time."""

import math

import numpy as np
import pytest

from edgewright.data.contract import Placement
from edgewright.tasks import recognise
from edgewright.tasks.base import FAMILIES, DecodeSettings
from edgewright.tasks.detection.postprocess import decode_image
from tests.tasks import task_models as tiny

ALL = DecodeSettings(confidence=0.0, iou=1.0, max_results=10_000)


def sigmoid(x):
    return 1 / (1 + math.exp(-x))


def decoded(model, outputs, settings=ALL):
    """{(class, score rounded): box} and the raw candidates."""
    head = recognise(model)
    family = FAMILIES.get(head.family)
    return family.decode(outputs, head, family.contract(head, model), settings)


def rows(candidates):
    columns = (candidates.class_ids[:, None], candidates.scores[:, None], candidates.xyxy)
    table = np.concatenate(columns, axis=1).astype(np.float64)
    return table[np.lexsort(table.T[::-1])]


def assert_same(candidates, expected):
    expected = np.array(expected, np.float64)
    expected[:, 1] = expected[:, 1].astype(np.float32)
    found = rows(candidates)
    assert found.shape == expected.shape
    # rows are compared in the order of class and box, for scores may differ in the last digit
    order_a, order_b = (np.lexsort(np.round(t[:, [5, 4, 3, 2, 0]], 2).T) for t in (found, expected))
    np.testing.assert_allclose(found[order_a], expected[order_b], rtol=2e-4, atol=2e-4)


def cells():
    for stride in (8, 16, 32):
        for row in range(64 // stride):
            for column in range(64 // stride):
                yield stride, column, row


@pytest.mark.parametrize("transposed", [False, True])
def test_yolov8(transposed):
    random = np.random.default_rng(0)
    values = random.random((7, 84)).astype(np.float32)
    values[:4] *= 50
    expected = []
    for anchor in range(84):
        cx, cy, w, h = values[:4, anchor].astype(float)
        for k in range(3):
            expected.append([k, values[4 + k, anchor], cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2])
    output = values.T[None] if transposed else values[None]
    assert_same(decoded(tiny.yolov8(transposed=transposed), {"scores": output}), expected)


@pytest.mark.parametrize("activation", ["Sigmoid", "Identity"])
def test_yolox(activation):
    random = np.random.default_rng(1)
    values = random.normal(0, 1, (84, 8)).astype(np.float32)
    if activation == "Sigmoid":
        values[:, 4:] = 1 / (1 + np.exp(-values[:, 4:]))
    expected = []
    for place, (stride, column, row) in enumerate(cells()):
        x, y, w, h, *scores = (float(v) for v in values[place])
        if activation == "Identity":
            scores = [sigmoid(s) for s in scores]
        cx, cy, w, h = (column + x) * stride, (row + y) * stride, math.exp(w) * stride, math.exp(h) * stride
        for k in range(3):
            expected.append([k, scores[0] * scores[1 + k], cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2])
    assert_same(decoded(tiny.yolox(activation=activation), {"out": values[None]}), expected)


def test_yolox_decoded_in_the_graph_is_not_decoded_again():
    values = np.full((84, 8), 0.5, np.float32)
    values[:, :4] = [30, 20, 10, 4]
    found = decoded(tiny.yolox(decoded=True), {"out": values[None]})
    assert np.unique(found.xyxy, axis=0).tolist() == [[25, 18, 35, 22]]


@pytest.mark.parametrize("joined", [False, True])
@pytest.mark.parametrize(("bins", "is_sigmoid"), [(16, False), (8, True), (1, False)])
def test_yolov8_raw(joined, bins, is_sigmoid):
    if joined and bins == 1:
        pytest.skip("a joined map of one bin is of no exporter")
    random = np.random.default_rng(2)
    outputs, expected = {}, []
    for level, side in enumerate((8, 4, 2)):
        stride = 64 // side
        boxes = random.normal(0, 2, (4 * bins, side, side)).astype(np.float32)
        scores = random.normal(0, 1, (3, side, side)).astype(np.float32)
        if is_sigmoid:
            scores = 1 / (1 + np.exp(-scores))
        if joined:
            outputs[f"j{level}"] = np.concatenate([boxes, scores])[None]
        else:
            outputs |= {f"b{level}": boxes[None], f"c{level}": scores[None]}
        for row in range(side):
            for column in range(side):
                sides = []
                for s in range(4):
                    logits = boxes[s * bins : (s + 1) * bins, row, column].astype(float)
                    powers = np.exp(logits)
                    sides.append(logits[0] if bins == 1 else (powers * np.arange(bins)).sum() / powers.sum())
                x, y = column + 0.5, row + 0.5
                box = [
                    (x - sides[0]) * stride,
                    (y - sides[1]) * stride,
                    (x + sides[2]) * stride,
                    (y + sides[3]) * stride,
                ]
                for k in range(3):
                    value = float(scores[k, row, column])
                    expected.append([k, value if is_sigmoid else sigmoid(value), *box])
    model = tiny.raw_levels(bins=bins, joined=joined, sigmoid=is_sigmoid, swapped=True)
    assert_same(decoded(model, outputs), expected)


def test_fastestdet():
    random = np.random.default_rng(4)
    values = random.random((8, 4, 4)).astype(np.float32)
    values[1:5] = random.normal(0, 1, (4, 4, 4))
    expected = []
    for row in range(4):
        for column in range(4):
            obj, x, y, w, h, *scores = (float(v) for v in values[:, row, column])
            cx, cy = (column + math.tanh(x)) / 4 * 64, (row + math.tanh(y)) / 4 * 64
            w, h = sigmoid(w) * 64, sigmoid(h) * 64
            for k, score in enumerate(scores):
                box = [cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2]
                expected.append([k, obj**0.6 * score**0.4, *box])
    assert_same(decoded(tiny.fastestdet(), {"out": values[None]}), expected)


def test_ssd_leaves_the_background_out():
    random = np.random.default_rng(5)
    boxes, scores = random.random((10, 4)).astype(np.float32), random.random((10, 3)).astype(np.float32)
    expected = [[k, scores[n, 1 + k], *(boxes[n] * [64, 32, 64, 32])] for n in range(10) for k in range(2)]
    assert_same(decoded(tiny.ssd(), {"one": boxes[None], "two": scores[None]}), expected)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 3e38, -3e38, 0.0])
@pytest.mark.parametrize(
    "model", [tiny.yolov8(), tiny.yolox(activation="Identity"), tiny.raw_levels(), tiny.fastestdet(), tiny.ssd()]
)
def test_broken_outputs_give_finite_detections_and_no_warning(model, value):
    head = recognise(model)
    family = FAMILIES.get(head.family)
    contract = family.contract(head, model)
    random = np.random.default_rng(0)
    outputs = {spec.name: random.random(spec.shape).astype(np.float32) for spec in model.outputs}
    for array in outputs.values():
        array.reshape(-1)[::2] = value
    place = Placement(1.0, 1.0, 0.0, 0.0, contract.width, contract.height)
    found = decode_image(family, outputs, head, contract, family.evaluation, place)
    assert np.isfinite(found.xyxy).all()
    assert np.isfinite(found.scores).all()
    for array in outputs.values():
        array[:] = value
    everywhere = decode_image(family, outputs, head, contract, family.evaluation, place)
    assert np.isfinite(everywhere.xyxy).all()
    if np.isnan(value):
        assert len(everywhere) == 0


def test_decode_image_maps_to_the_image_and_clips():
    model = tiny.yolov8(nc=1)
    values = np.zeros((1, 5, 84), np.float32)
    values[0, :, 0] = [32, 32, 20, 20, 0.9]
    values[0, :, 1] = [33, 32, 20, 20, 0.8]  # the same object
    values[0, :, 2] = [60, 32, 20, 20, 0.7]  # beyond the edge
    values[0, :, 3] = [10, 32, 5, 5, 0.2]  # below the threshold
    head = recognise(model)
    family = FAMILIES.get("yolov8")
    place = Placement(0.5, 0.5, 0.0, 8.0, 128, 96)
    found = decode_image(family, {"scores": values}, head, family.contract(head, model), family.running, place, ["cat"])
    assert found.xyxy.tolist() == [[44, 28, 84, 68], [100, 28, 128, 68]]
    assert found.name(0) == "cat"
    assert found.scores.tolist() == [np.float32(0.9), np.float32(0.7)]
