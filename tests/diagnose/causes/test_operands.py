"""Causes that lie in what meets at an op."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from edgewright.diagnose.causes import CauseContext
from edgewright.findings import Severity
from edgewright.quant.grids import activation_grid
from tests.diagnose.causes.contexts import context, found, with_effects
from tests.helpers import model_from_text, normal

HEADER = '<ir_version: 8, opset_import: ["" : 13]>\n'
FEEDS = [{"x": normal(1, 4, 8, 8, seed=seed), "z": normal(1, 4, 8, 8, seed=seed + 50)} for seed in range(4)]
CONVS = "[ca] a = Conv (x, wa) [cb] b = Conv (z, wb)"
INPUTS = "(float[1,4,8,8] x, float[1,4,8,8] z)"


def scaled(size: float, channels: int = 4) -> np.ndarray:
    return np.asarray(size * np.eye(channels, 4, dtype=np.float32).reshape(channels, 4, 1, 1))


def net(body: str, shape: str = "1,4,8,8", a: float = 1.0, b: float = 1.0, **constants: np.ndarray) -> CauseContext:
    text = f"{HEADER}g {INPUTS} => (float[{shape}] y) {{ {CONVS} {body} }}"
    return context(model_from_text(text, wa=scaled(a), wb=scaled(b), **constants), FEEDS)


def join(a: float, body: str = "[joined] y = Concat <axis = 1> (a, b)") -> CauseContext:
    return net(body, "1,8,8,8", a=a)


def test_a_join_at_an_output() -> None:
    (finding,) = found(join(200.0), "mixed-join")
    assert (finding.code, finding.where) == ("EW301", "joined")
    assert finding.severity is Severity.ERROR  # 0.28 of a step of noise is a third of the small branch
    assert finding.evidence["small"]["tensor"] == "b"
    assert finding.evidence["large"]["tensor"] == "a"
    assert finding.evidence["steps"] < 2
    assert finding.evidence["lost"] > 0.5
    assert finding.evidence["remedies"] == ["split-outputs", "rescale-boxes", "cut-tail", "16bit", "float"]


def test_a_join_in_the_middle_read_by_a_conv() -> None:
    body = "[joined] j = Concat <axis = 1> (a, b) [after] y = Conv (j, wc)"
    made = net(body, "1,4,8,8", a=200.0, wc=normal(4, 8, 1, 1))
    (finding,) = found(made, "mixed-join")
    assert finding.evidence["node"] == "joined"
    assert finding.evidence["remedies"] == ["split-joins", "ranges", "16bit", "float"]
    assert "joins ca (" in finding.message
    assert "joined" not in {finding.where for finding in found(made, "outlier-activations")}  # told once


def test_joins_that_are_no_cause() -> None:
    assert found(join(4.0), "mixed-join") == []
    made = join(200.0)
    assert found(replace(made, plan=replace(made.plan, ops={})), "mixed-join") == []  # computed in float
    assert found(with_effects(made, {"y": {"scores": 0.0001}}), "mixed-join") == []
    even = join(4.0)
    grids = {name: activation_grid(-800.0, 800.0, "uint8", False) for name in made.plan.activations}
    # both operands keep few steps of a grid that is wider than either: not the join's doing
    assert found(replace(even, plan=replace(even.plan, activations=grids), noticed={"": 0.0}), "mixed-join") == []
    grids = {name: activation_grid(-800.0, 800.0, "uint16", False) for name in made.plan.activations}
    wide = replace(made, plan=replace(made.plan, activations=grids), noticed={"": 0.0})
    assert found(wide, "mixed-join") == []  # 16 bits have steps for both


def test_effects_tell_what_a_join_does() -> None:
    (finding,) = found(with_effects(join(200.0), {"y": {"boxes": 0.002, "scores": 1.0}}), "mixed-join")
    assert "alone it puts scores 100 % off" in finding.message
    assert finding.evidence["damage"] == 1.0


def test_a_small_operand_vanishes_in_a_sum() -> None:
    (finding,) = found(net("[sum] y = Add (a, b)", a=300.0), "mixed-operands")
    assert (finding.code, finding.where) == ("EW311", "sum")
    assert finding.evidence["form"] == "vanishing"
    assert [one["tensor"] for one in finding.evidence["operands"]] == ["b", "a"]
    assert finding.evidence["steps"] < 2


def test_a_small_difference_of_large_operands() -> None:
    body = "[pa] p = Add (a, far) [pb] q = Add (b, far) [difference] y = Sub (p, q)"
    made = net(body, far=np.full((1,), 500, np.float32))
    quantised_sub = replace(made.plan, ops={**made.plan.ops, "difference": "int8"})
    # ONNX Runtime has no 8-bit Sub; other targets do
    error = replace(made.errors["p"], tensor="y", op="difference", op_type="Sub", minimum=-6.0, maximum=6.0)
    grids = {**made.plan.activations, "y": made.plan.activations["x"]}
    plan = replace(quantised_sub, activations=grids)
    made = replace(made, plan=plan, errors={**made.errors, "y": replace(error, isolated=0.4)})
    (finding,) = found(made, "mixed-operands")
    assert finding.where == "difference"
    assert finding.evidence["form"] == "coarse"
    assert finding.evidence["steps"] == pytest.approx(12 / made.plan.activations["p"].step, rel=0.1)


def test_strides_on_one_grid() -> None:
    strides = np.array([8, 8, 16, 32], np.float32).reshape(1, 4, 1, 1)
    made = net("[strides] y = Mul (a, by)", by=strides)
    (finding,) = found(replace(made, noticed={"": 0.001}), "mixed-operands")
    assert finding.where == "strides"
    assert finding.evidence["form"] == "factors"
    assert finding.evidence["factors"] == {"tensor": "by", "smallest": 8.0, "largest": 32.0}
    assert finding.evidence["steps"] == pytest.approx(255 / 4)
    assert finding.evidence["remedies"] == ["rescale-boxes", "cut-tail", "16bit", "float"]  # it stands in the tail
    assert found(with_effects(made, {"y": {"boxes": 0.007}, "a": {"boxes": 0.2}}), "mixed-operands") == []
    noticed = replace(with_effects(made, {"y": {"boxes": 0.007}, "a": {"boxes": 0.2}}), noticed={"boxes": 0.005})
    assert [finding.where for finding in found(noticed, "mixed-operands")] == ["strides"]


@pytest.mark.parametrize(
    ("body", "a"),
    [
        ("[sum] y = Add (a, b)", 2.0),
        ("[product] y = Mul (a, b)", 300.0),  # relative errors of factors add, whatever their size
        ("[scaled] y = Mul (a, same)", 1.0),
        ("[shifted] y = Add (a, little)", 300.0),  # a constant carries no image
    ],
)
def test_operands_that_are_no_cause(body: str, a: float) -> None:
    same, little = np.full((1, 4, 1, 1), 8, np.float32), np.full((1, 4, 1, 1), 1e-3, np.float32)
    made = net(body, a=a, same=same, little=little)
    assert found(replace(made, noticed={"": 0.0}), "mixed-operands") == []


def test_a_constant_over_an_activation_is_no_factor() -> None:
    made = net("[q] y = Mul (a, by)", by=np.array([0, 0, 3, 3], np.float32).reshape(1, 4, 1, 1))
    assert found(replace(made, noticed={"": 0.0}), "mixed-operands") == []  # zeros have no size


SILU = "[sig] s = Sigmoid (a) [mul] m = Mul (a, s)"


def silu(rest: str, *, fuse: bool = True) -> CauseContext:
    text = f"{HEADER}g {INPUTS} => (float[1,4,8,8] y) {{ {CONVS} {SILU} {rest} }}"
    made = context(model_from_text(text, wa=scaled(1.0), wb=scaled(1.0)), FEEDS, fuse_silu=fuse)
    return replace(made, noticed={"": 0.001})


def test_a_second_reader_of_the_sigmoid() -> None:
    (finding,) = found(silu("[other] o = Mul (b, s) [sum] y = Add (m, o)"), "blocked-fusion")
    assert finding.code == "EW316"
    assert finding.evidence["group"] == ["ca", "sig", "mul"]
    assert finding.evidence["between"] == ["a", "s"]
    assert finding.evidence["shared"] == "s"
    assert finding.evidence["readers"] == ["other"]
    assert finding.evidence["remedies"] == ["plain-forms", "16bit", "float"]


def test_a_second_reader_of_the_convolution() -> None:
    (finding,) = found(silu("[sum] y = Add (m, a)"), "blocked-fusion")
    assert finding.evidence["shared"] == "a"
    assert "plain-forms" not in finding.evidence["remedies"]


def test_a_copied_sigmoid_is_no_help_where_the_convolution_is_read_too() -> None:
    rest = "[other] o = Mul (b, s) [half] h = Add (m, o) [sum] y = Add (h, a)"
    (finding,) = found(silu(rest), "blocked-fusion")
    assert finding.evidence["shared"] == "a"
    assert finding.evidence["readers"] == ["sum"]


def test_a_relu_whose_convolution_is_read_twice() -> None:
    made = replace(net("[relu] r = Relu (a) [sum] y = Add (r, a)"), noticed={"": 0.001})
    (finding,) = found(made, "blocked-fusion")
    assert finding.evidence["group"] == ["ca", "relu"]
    assert finding.evidence["readers"] == ["sum"]


def test_activations_that_fuse_or_never_could() -> None:
    assert found(silu("[sum] y = Add (m, b)"), "blocked-fusion") == []
    assert found(silu("[sum] y = Add (m, a)", fuse=False), "blocked-fusion") == []
    assert found(replace(net("[relu] y = Relu (a)"), noticed={"": 0.001}), "blocked-fusion") == []
    blocked = silu("[sum] y = Add (m, a)")
    in_float = replace(blocked.plan, ops={**blocked.plan.ops, "mul": "float"})
    assert found(replace(blocked, plan=in_float), "blocked-fusion") == []  # the plan keeps them apart, not a reader
