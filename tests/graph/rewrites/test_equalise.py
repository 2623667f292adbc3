"""Cross-layer equalisation: exact, and refused where a scale does not pass."""

from __future__ import annotations

import numpy as np
import pytest

from edgewright.graph.model import Model
from edgewright.graph.rewrites import refusals
from tests.graph.rewrites.graphs import named, nodes, nothing_to_do, ops, outputs, rewritten
from tests.helpers import normal

CHAIN = """
<ir_version: 8, opset_import: ["" : 17]>
chain (float[1,3,8,8] x) => (float[1,{channels},{size},{size}] y) {{
    a = {first}
    {between}
    y = {second}
}}
"""


def uneven(*shape: int, axis: int = 0, seed: int = 0) -> np.ndarray:
    """Weights whose channels differ a hundredfold in size."""
    spread = np.ones(len(shape), int)
    spread[axis] = shape[axis]
    sizes = np.logspace(-1, 1, shape[axis]).astype(np.float32)
    return normal(*shape, seed=seed) * np.random.default_rng(seed).permutation(sizes).reshape(spread)


def chain(between: str, last: str, *, first="Conv (x, w1, b1)", second="", channels=4, size=8, **weights) -> Model:
    text = CHAIN.format(
        first=first, between=between, second=second or f"Conv ({last}, w2)", channels=channels, size=size
    )
    usual = {
        "w1": uneven(6, 3, 3, 3),
        "b1": normal(6),
        "w2": uneven(4, 6, 1, 1, axis=1, seed=5),
        "slope": normal(6, 1, 1),
        "zero": np.array(0, np.float32),
        "six": np.array(6, np.float32),
        "big": np.array(np.finfo(np.float32).max, np.float32),
        "sixth": np.array(1 / 6, np.float32),
        **weights,
    }
    return named(text, **{name: value for name, value in usual.items() if value is not None and f"{name}" in text})


def conv(size: int = 1) -> str:
    return f"Conv <pads = [{size},{size},{size},{size}]> (x, w1, b1)"


def test_ranges_of_both_sides_are_equal_afterwards() -> None:
    found = rewritten("equalise", chain("r = Relu (a)", "r", first=conv()))
    first, second = (nodes(found.model)[name].inputs[1].const_value.numpy() for name in ("a_op", "y_op"))
    np.testing.assert_allclose(np.abs(first).max((1, 2, 3)), np.abs(second).max((0, 2, 3)), rtol=1e-4)
    assert found.restore is None
    assert found.facts["pairs"][0]["between"] == ["Relu"]
    assert {value.name for node in found.model.ir.graph for value in node.outputs} == {
        "a_equalised",
        "r_equalised",
        "y",
    }


@pytest.mark.parametrize(
    ("between", "last", "size"),
    [
        ("", "a", 8),
        ("r = LeakyRelu (a)", "r", 8),
        ("r = PRelu (a, slope)", "r", 8),
        ("r = Clip (a, zero)", "r", 8),
        ("r = Clip (a, zero, big)", "r", 8),
        ("r = Relu (a) p = MaxPool <kernel_shape = [2,2], strides = [2,2]> (r)", "p", 4),
        ("p = AveragePool <kernel_shape = [2,2], strides = [2,2], pads = [0,0,0,0]> (a)", "p", 4),
    ],
)
def test_what_a_scale_passes(between: str, last: str, size: int) -> None:
    found = rewritten("equalise", chain(between, last, first=conv(), size=size))
    assert len(found.facts["pairs"]) == 1


@pytest.mark.parametrize(
    ("between", "last", "reason"),
    [
        ("r = Clip (a, zero, six)", "r", "Clip"),
        ("s = Sigmoid (a) r = Mul (a, s)", "r", "SiLU"),
        ("s = HardSigmoid (a) r = Mul (s, a)", "r", "HardSwish"),
        ("r = Tanh (a)", "r", "Tanh"),
        ("n = Neg (a) r = Add (a, n)", "r", "several readers"),
        ("r = Add (a, slope)", "r", "Add"),
    ],
)
def test_what_it_does_not_pass(between: str, last: str, reason: str) -> None:
    model = chain(between, last, first=conv())
    assert nothing_to_do("equalise", model)
    pairs, refused = refusals(model)
    assert pairs == 0
    assert refused[reason] == 1


def test_an_output_inside_a_pair_is_refused() -> None:
    model = chain("r = Relu (a)", "r", first=conv())
    model.ir.graph.outputs.append(nodes(model)["r_op"].outputs[0])
    assert nothing_to_do("equalise", model)
    assert refusals(model)[1]["an output of the model"] == 2  # inside the pair, and behind the last Conv


def test_a_depthwise_chain_is_solved_as_a_whole() -> None:
    model = chain(
        "r = Relu (a) d = Conv <group = 6, pads = [1,1,1,1]> (r, wd, bd) q = Relu (d)",
        "q",
        first=conv(),
        wd=uneven(6, 1, 3, 3, seed=3),
        bd=normal(6, seed=4),
    )
    found = rewritten("equalise", model)
    assert len(found.facts["pairs"]) == 2
    weights = [np.abs(nodes(found.model)[name].inputs[1].const_value.numpy()) for name in ("a_op", "d_op", "y_op")]
    first, depthwise, last = weights[0].max((1, 2, 3)), weights[1].max((1, 2, 3)), weights[2].max((0, 2, 3))
    np.testing.assert_allclose(depthwise, first, rtol=0.05)
    np.testing.assert_allclose(depthwise, last, rtol=0.05)


@pytest.mark.parametrize(
    ("first", "second", "weights"),
    [
        (conv(), "Conv <group = 2> (r, w2)", {"w2": uneven(4, 3, 1, 1, axis=1)}),
        (conv(), "Conv <group = 6> (r, w2)", {"w2": uneven(12, 1, 1, 1)}),
        (conv(), "ConvTranspose <group = 2> (r, w2)", {"w2": uneven(6, 2, 1, 1)}),
        ("ConvTranspose <group = 3> (x, w1, b1)", "Conv (r, w2)", {"w1": uneven(3, 2, 1, 1, axis=1)}),
        ("ConvTranspose (x, w1)", "Conv (r, w2)", {"w1": uneven(3, 6, 1, 1, axis=1), "b1": None}),
    ],
)
def test_groups_and_transposed_convs(first: str, second: str, weights: dict[str, np.ndarray]) -> None:
    channels = 12 if "group = 6" in second else 4
    model = chain("r = Relu (a)", "r", first=first, second=second, channels=channels, **weights)
    assert len(rewritten("equalise", model).facts["pairs"]) == 1


@pytest.mark.parametrize("transposed", [0, 1])
def test_fully_connected_layers(transposed: int) -> None:
    w1, w2 = uneven(5, 6, axis=1), uneven(6, 4, seed=2)
    model = named(
        f"""<ir_version: 8, opset_import: ["" : 17]>
        g (float[1,5] x) => (float[1,4] y) {{
            a = Gemm <transB = {transposed}> (x, w1, b1) r = Relu (a) y = Gemm <transB = {transposed}> (r, w2) }}""",
        w1=w1.T.copy() if transposed else w1,
        w2=w2.T.copy() if transposed else w2,
        b1=normal(6),
    )
    assert len(rewritten("equalise", model).facts["pairs"]) == 1


@pytest.mark.parametrize("factor", ["Mul (g, sixth)", "Div (g, six)", "Mul (sixth, g)"])
def test_a_factor_behind_silu_takes_the_scale_up(factor: str) -> None:
    model = chain(f"s = Sigmoid (a) g = Mul (a, s) m = {factor}", "m", first=conv())
    found = rewritten("equalise", model)
    assert found.facts["pairs"][0]["first"] == "m_op"
    assert found.facts["refused"]["SiLU"] == 1
    assert "SiLU" in found.facts["text"]
    assert ops(found.model) == ops(model)
    constant = next(v for v in nodes(found.model)["m_op"].inputs if v.const_value is not None)
    assert constant.const_value.numpy().shape == (1, 6, 1, 1)


def test_a_dead_channel_does_no_harm() -> None:
    w1 = uneven(6, 3, 3, 3)
    w1[2] = 0
    found = rewritten("equalise", chain("r = Relu (a)", "r", first=conv(), w1=w1))
    assert np.isfinite(nodes(found.model)["y_op"].inputs[1].const_value.numpy()).all()
    assert outputs(found.model) == ["y"]
