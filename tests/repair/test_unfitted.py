"""What was fitted to codes goes where there are none."""

from __future__ import annotations

import numpy as np
from onnx import helper

from edgewright.graph.model import Model
from edgewright.repair.unfitted import unfitted
from tests.helpers import normal
from tests.quant.graphs import model_of

W1, W2 = normal(4, 1, 1, 1), normal(4, 4, 1, 1, seed=1)


def net(first: np.ndarray, second: np.ndarray | None) -> Model:
    nodes = [
        helper.make_node("Conv", ["x", "w1", "b1"], ["a"], name="c1"),
        helper.make_node("Conv", ["a", "w2", *([] if second is None else ["b2"])], ["out"], name="c2"),
    ]
    biases = {"b1": first, **({} if second is None else {"b2": second})}
    return model_of(nodes, ["out"], [1, 1, 4, 4], w1=W1, w2=W2, **biases)


def bias(model: Model, name: str) -> list[float]:
    node = next(node for node in model.ir.graph if node.name == name)
    return [float(value) for value in node.inputs[2].const_value.numpy()]


def test_only_what_is_named_gets_its_bias_back() -> None:
    trained, fitted = np.arange(4, dtype=np.float32), np.full(4, 7, np.float32)
    found = unfitted(net(fitted, fitted), net(trained, trained), {"c1"})
    assert bias(found, "c1") == [0, 1, 2, 3]
    assert bias(found, "c2") == [7] * 4


def test_a_bias_that_was_not_there_is_zero() -> None:
    one = np.ones(4, np.float32)
    assert bias(unfitted(net(one, one), net(one, None), {"c2"}), "c2") == [0] * 4


def test_nothing_changes_where_nothing_was_fitted() -> None:
    model = net(np.ones(4, np.float32), None)
    assert unfitted(model, net(np.ones(4, np.float32), None), {"c1", "c2"}) is model
