"""Equal forms that targets fuse."""

from __future__ import annotations

import numpy as np

from edgewright.graph.model import Model
from tests.graph.rewrites.graphs import named, nodes, nothing_to_do, ops, outputs, rewritten


def plain(body: str, signature: str = "float[1,2,4,4] y") -> Model:
    constants = {
        "zero": np.array(0, np.float32),
        "six": np.array(6, np.float32),
        "inf": np.array(np.inf, np.float32),
        "ints": np.array([2], np.int64),
    }
    text = f"""<ir_version: 8, opset_import: ["" : 17]> g (float[1,2,4,4] x) => ({signature}) {{ {body} }}"""
    return named(text, **{name: value for name, value in constants.items() if f", {name}" in text})


def test_a_gate_with_a_second_reader() -> None:
    model = plain("n = Neg (x) s = Sigmoid (n) m = Mul (n, s) e = Exp (s) y = Add (m, e)")
    found = rewritten("plain-forms", model)
    assert ops(found.model).count("Sigmoid") == 2
    made = nodes(found.model)
    assert [usage.node.name for usage in made["s_op"].outputs[0].uses()] == ["m_op"]
    assert made["s_op"].outputs[0].name == "s"
    assert [usage.node.name for usage in made["s_op_copy"].outputs[0].uses()] == ["e_op"]
    assert found.facts["own_gates"] == ["s_op"]


def test_a_gate_that_is_an_output_keeps_its_name() -> None:
    found = rewritten("plain-forms", plain("s = HardSigmoid (x) y = Mul (s, x)", "float[1,2,4,4] s, float[1,2,4,4] y"))
    assert outputs(found.model) == ["s", "y"]
    assert nodes(found.model)["y_op"].inputs[0].name == "s_copy"


def test_a_gate_of_nothing_and_a_gate_for_itself_are_left_alone() -> None:
    assert nothing_to_do("plain-forms", plain("s = Sigmoid (x) e = Exp (s) y = Add (s, e)"))
    assert nothing_to_do("plain-forms", plain("s = Sigmoid (x) y = Mul (x, s)"))


def test_a_clip_that_is_a_relu() -> None:
    for bounds in ("zero", "zero, inf"):
        found = rewritten("plain-forms", plain(f"a = Clip (x, {bounds}) y = Neg (a)"))
        assert ops(found.model) == ["Neg", "Relu"]
        assert nodes(found.model)["a_op"].op_type == "Relu"
        assert nodes(found.model)["a_op"].outputs[0].name == "a"
    assert nothing_to_do("plain-forms", plain("y = Clip (x, zero, six)"))
    assert nothing_to_do("plain-forms", plain("y = Clip (x)"))


def test_a_division_by_a_constant() -> None:
    found = rewritten("plain-forms", plain("y = Div (x, six)"))
    assert ops(found.model) == ["Mul"]
    assert outputs(found.model) == ["y"]
    assert nothing_to_do("plain-forms", plain("y = Div (six, x)".replace("six, x", "x, x")))


def test_integers_and_zeros_are_not_inverted() -> None:
    assert nothing_to_do("plain-forms", plain("c = Cast <to = 7> (x) d = Div (c, ints) y = Cast <to = 1> (d)"))
    assert nothing_to_do("plain-forms", plain("d = Div (x, zero) y = Clip (d, six, inf)"))
