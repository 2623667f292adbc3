"""Classification heads, and how two stages agree."""

import numpy as np
import pytest

from edgewright.tasks import recognise
from edgewright.tasks.base import FAMILIES
from edgewright.tasks.classification import Classes, agreements, top1_agreement
from tests.tasks.task_models import parse, weights


def network(classes=4, activation="Softmax<axis=1>", pool="GlobalAveragePool", tail="flat"):
    """16 x 16 input."""
    shape = f"1,{classes},1,1" if tail == "map" else f"1,{classes}"
    last = "out = Identity(a)" if tail == "map" else "out = Flatten<axis=1>(a)"
    return parse(f"""
    g (float[1,3,16,16] x) => (float[{shape}] out)
    <{weights(k=(8, 3, 1, 1), kc=(classes, 8, 1, 1))}>
    {{
      f = Conv<kernel_shape=[1,1]>(x, k)
      p = {pool}(f)
      c = Conv<kernel_shape=[1,1]>(p, kc)
      a = {activation}(c)
      {last}
    }}""")


@pytest.mark.parametrize(
    ("model", "activation"),
    [
        (network(), "softmax"),
        (network(tail="map"), "softmax"),
        (network(activation="Sigmoid"), "sigmoid"),
        (network(activation="Identity"), ""),
    ],
)
def test_recognised_with_and_without_a_softmax(model, activation):
    head = recognise(model)
    assert (head.family, head.task, dict(head.params)) == (
        "classifier",
        "classification",
        {"nc": 4, "activation": activation},
    )
    assert [entry.name for entry in FAMILIES if entry.recognise(model) is not None] == ["classifier"]


def test_logits_of_no_pooled_map_are_no_classes():
    model = parse(f"""
    g (float[1,3,1,1] x) => (float[1,4] out)
    <{weights(kc=(4, 3, 1, 1))}>
    {{ c = Conv<kernel_shape=[1,1]>(x, kc)
       out = Flatten<axis=1>(c) }}""")
    assert recognise(model).family == "none"
    assert recognise(model, "classifier").params["nc"] == 4


@pytest.mark.parametrize("activation", ["Identity", "Softmax<axis=1>"])
def test_scores_are_probabilities(activation):
    values = np.array([[1.0, 3.0, -2.0, 0.5]], np.float32)
    expected = np.exp(values[0]) / np.exp(values[0]).sum()
    model = network(activation=activation)
    head = recognise(model)
    family = FAMILIES.get("classifier")
    given = values if activation == "Identity" else expected[None]
    found = family.decode({"out": given}, head, family.contract(head, model), family.running)
    np.testing.assert_allclose(found.scores, expected, rtol=1e-5)
    assert found.top == 1
    assert [entry["class_id"] for entry in found.to_json()] == [1, 0, 3, 2]


def classes(*scores):
    return Classes(np.array(scores, np.float32))


def test_agreement_counts_images_whose_best_class_is_the_same():
    reference = {"a": classes(0.1, 0.9), "b": classes(0.6, 0.4), "c": classes(0.52, 0.48), "d": classes(0.3, 0.7)}
    found = {**reference, "b": classes(0.9, 0.1), "c": classes(0.4, 0.6)}
    metric = top1_agreement(found, reference)
    assert (metric.value, metric.images) == (75.0, 4)
    assert metric.details["differing"] == 1
    assert metric.details["largest margin of a differing image"] == pytest.approx(0.04)
    assert agreements({"onnx": reference, "int8": found}, "onnx")["onnx"].value == 100.0


def test_what_is_no_number_agrees_with_nothing():
    broken = {"a": classes(np.nan, 0.9)}
    assert top1_agreement(broken, {"a": classes(0.1, 0.9)}).value == 0.0
    assert top1_agreement(broken, broken).value == 0.0
