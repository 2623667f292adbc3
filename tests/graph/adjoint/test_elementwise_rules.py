from __future__ import annotations

import numpy as np
import pytest

from tests.graph.adjoint.differences import check, gradients, graph, spread
from tests.helpers import normal

CALLS = ("Sigmoid", "Tanh", "Relu", "Exp", "Abs", "Softplus", "Softsign", "Erf", "Neg")
CALLS += ("HardSigmoid", "LeakyRelu", "Elu", "Sin", "Cos")
POSITIVE = ("Log", "Sqrt", "Reciprocal")


@pytest.mark.parametrize(
    "call",
    [
        *(f"{kind} (x)" for kind in CALLS),
        "HardSigmoid <alpha = 0.5, beta = 0.4> (x)",
        "LeakyRelu <alpha = 0.3> (x)",
        "Elu <alpha = 0.7> (x)",
        "Clip (x, low, high)",
        "Clip (x, low)",
        "Clip (x, , high)",
        "PRelu (x, slope)",
        "Pow (x, two)",
        "Pow (x, three)",
    ],
)
def test_functions_of_one_value(call: str) -> None:
    constants = {
        "low": np.float32(-0.72),
        "high": np.float32(0.88),
        "slope": normal(3, 1, 1),
        "two": np.float32(2),
        "three": np.array([3], np.int64),
    }
    used = {name: np.asarray(value) for name, value in constants.items() if f" {name}" in call}
    check(graph([1, 3, 4, 5], "y", f"y = {call}", **used))


@pytest.mark.parametrize("kind", POSITIVE)
def test_functions_of_a_positive_value(kind: str) -> None:
    check(graph([3, 4], "y", f"y = {kind} (x)"), x=spread((3, 4)) / 4 + 1)


@pytest.mark.parametrize("power", [-1.0, 0.5, 1.5])
def test_powers_that_are_no_integers(power: float) -> None:
    check(graph([3, 4], "y", "y = Pow (x, p)", p=np.array([power], np.float32)), x=spread((3, 4)) / 4 + 1)


@pytest.mark.parametrize(("call", "opset"), [("HardSwish", 14), ("Gelu", 20), ("Mish", 18)])
def test_functions_of_newer_opsets(call: str, opset: int) -> None:
    check(graph([3, 20], "y", f"y = {call} (x)", opset), x=spread((3, 20)) * 2.03)


def test_gelu_by_tanh() -> None:
    check(graph([3, 20], "y", 'y = Gelu <approximate = "tanh"> (x)', 20))


@pytest.mark.parametrize("kind", ["Add", "Sub", "Mul", "Div", "Max", "Min", "Sum", "Mean"])
@pytest.mark.parametrize("shape", [[1, 3, 4, 5], [3, 1, 1], [5], [1], [], [2, 3, 4, 5], [1, 1, 4, 1]])
@pytest.mark.parametrize("turned", [False, True])
def test_operands_are_broadcast(kind: str, shape: list[int], turned: bool) -> None:
    other = np.asarray(np.rint(normal(*shape) * 15) / 15, np.float32)  # halfway between values of x: no kink is near
    if kind == "Div":
        other = np.asarray(other + np.where(other > 0, 0.5, -0.5), np.float32)
    x = spread((1, 3, 4, 5))
    if kind == "Div" and turned:
        x = x / 4 + 1
    check(graph([1, 3, 4, 5], "y", f"y = {kind} ({'c, x' if turned else 'x, c'})", c=other), x=x)


@pytest.mark.parametrize("kind", ["Add", "Sub", "Mul", "Div", "Max"])
def test_both_operands_depend_on_the_input_and_one_is_repeated(kind: str) -> None:
    body = f"m = ReduceMean <axes = [2, 3]> (x) n = Mul (m, m) s = Add (n, c) y = {kind} (x, s)"
    check(graph([2, 3, 4, 2], "y", body, c=np.array([1.5], np.float32)))


@pytest.mark.parametrize("kind", ["Mul", "Add", "Sub"])
def test_one_value_twice(kind: str) -> None:
    check(graph([2, 3], "y", f"z = {kind} (x, x) y = Add (z, x)"))


def test_where_with_a_condition_that_depends_on_the_input() -> None:
    body = "more = Greater (x, c) a = Mul (x, x) s = Neg (x) y = Where (more, a, s)"
    check(graph([2, 3, 4], "y", body, c=np.array(0.3, np.float32)))


def test_where_broadcasts() -> None:
    body = "m = ReduceSum <keepdims = 1> (x, last) y = Where (mask, x, m)"
    mask = np.random.default_rng(0).random((2, 3, 4)) > 0.5
    check(graph([2, 3, 4], "y", body, mask=mask, last=np.array([2], np.int64)))


def test_values_without_a_finite_slope_do_not_hide() -> None:
    found, _, _ = gradients(graph([2], "y", "y = Sqrt (x)"), {"x": np.array([0, 1], np.float32)})
    assert not np.isfinite(found["x"][0])
    assert np.isfinite(found["x"][1])
