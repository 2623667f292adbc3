"""BM1684's rounding in the emulation: ties go up, and what an Add reads is put on the result's grid first."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest

from edgewright.graph.model import Model
from edgewright.graph.reference import ReferenceSession
from edgewright.quant.plan import PrecisionPlan
from edgewright.quant.qdq import write_qdq
from edgewright.targets.backend import Backend, emulation_of
from edgewright.targets.qdq_trace import QdqTracer
from edgewright.targets.sophgo.backend import SophgoBackend
from edgewright.targets.sophgo.emulate import multiplier, shifting_emulation
from edgewright.tensors import Grid
from edgewright.toolchains.environments import ensure
from edgewright.toolchains.vendors import vendor_spec
from tests.helpers import model_from_text, normal
from tests.targets.sophgo.nets import network, planned

MODULE = Path(__file__).parent / "modules" / "bm1684_all.mlir"
SUM = """
<ir_version: 8, opset_import: ["" : 13]>
g (float[1,1,1,8] x) => (float[1,1,1,8] y) {
    [c] y = Conv (x, w, b)
}
"""
ADD = """
<ir_version: 8, opset_import: ["" : 13]>
g (float[1,1,1,8] x, float[1,1,1,8] z) => (float[1,1,1,8] y) {
    [a] y = Add (x, z)
}
"""
CODES = np.array([-3, -2, -1, 0, 1, 2, 3, 5], np.float32).reshape(1, 1, 1, 8)


def grid(step: float, dtype: str = "int8") -> Grid:
    return Grid(dtype, np.asarray(step, np.float32), np.asarray(0))


def one_conv() -> tuple[Model, PrecisionPlan]:
    """Codes, halved: of every other one the half is a tie."""
    model = model_from_text(SUM, w=np.full((1, 1, 1, 1), 0.5, np.float32), b=np.zeros(1, np.float32))
    weights = {"w": grid(0.5), "b": grid(0.5, "int16")}
    return model, PrecisionPlan("", {"x": grid(1.0), "y": grid(1.0)}, weights, {"c": "int8"})


def test_ties_go_up() -> None:
    model, plan = one_conv()
    (even,) = ReferenceSession(write_qdq(model, plan).data)({"x": CODES}).values()
    (found,) = ReferenceSession(shifting_emulation(model, plan).data)({"x": CODES}).values()
    assert even.ravel().tolist() == [-2, -1, 0, 0, 0, 1, 2, 2], "to even otherwise"
    assert found.ravel().tolist() == np.floor(CODES / 2 + 0.5).ravel().tolist()


def test_operands_are_rounded_before_they_are_added() -> None:
    model = model_from_text(ADD)
    plan = PrecisionPlan("", {"x": grid(0.4), "z": grid(0.4), "y": grid(1.0)}, {}, {"a": "int8"})
    values = {"x": 0.4 * CODES, "z": 0.4 * CODES}
    (found,) = ReferenceSession(shifting_emulation(model, plan).data)(values).values()
    taken = multiplier(0.4, 1.0)
    assert taken == (102, 8)
    each = np.floor(CODES * 102 / 256 + 0.5)
    assert found.ravel().tolist() == (2 * each).ravel().tolist()
    assert (found != np.round(0.8 * CODES)).any()


def test_multipliers_are_those_of_a_recorded_module() -> None:
    line = next(text for text in MODULE.read_text(encoding="utf-8").splitlines() if '"tpu.Add"' in text)
    numbers = [json.loads(found) for found in re.findall(r"= (\[[\d, ]+\])", line)]
    first, second, result = (float(found) for found in re.findall(r":f32, ([\d.e-]+)>", line))
    assert [multiplier(first, result), multiplier(second, result)] == list(zip(*numbers, strict=True))


def test_a_multiplier_that_does_not_fit_is_none() -> None:
    assert multiplier(200.0, 1.0) is None


@pytest.mark.parametrize("chip", ["bm1684x", "cv181x"])
def test_other_chips_are_emulated_as_before(chip: str) -> None:
    model, plan = one_conv()
    assert emulation_of(SophgoBackend(chip), model, plan).digest == write_qdq(model, plan).digest


@pytest.mark.toolchain
@pytest.mark.timeout(600)
def test_the_real_tool_computes_the_same(tmp_path: Path) -> None:
    """Depthwise sums behind a small shift, and an Add of unlike steps, code by code."""
    ensure(vendor_spec("sophgo"), yes=True)
    backend: Backend = SophgoBackend("bm1684")
    model = network()
    asked = planned(model, "bm1684")
    plan = backend.expected_plan(model, asked)
    artifact = SophgoBackend("bm1684").draft(model, asked, tmp_path)
    feeds = {"image": np.abs(normal(1, 3, 16, 16, seed=5)).clip(0, 1)}
    (seen,) = backend.trace(artifact, ["d", "sum"], [feeds])
    own = _inner(emulation_of(backend, model, plan), feeds)
    plain = _inner(write_qdq(model, plan), feeds)
    for name in ("d", "sum"):
        step = float(plan.activations[name].scale)
        apart, before = (np.abs(seen[name] - found[name]) > step / 2 for found in (own, plain))
        assert not apart.any(), name
        assert before.any(), f"{name}: the plain form is not as near"


def _inner(model: Model, feeds: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    return dict(QdqTracer(model, ["d", "sum"])(feeds, ["d", "sum"]))
