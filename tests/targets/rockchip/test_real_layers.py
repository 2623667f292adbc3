"""Tensors of what the real RKNN-Toolkit2 built, and that their names stand for the right values."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from edgewright.diagnose.vendor_errors import Comparer
from edgewright.diagnose.vendor_layers import VendorLayers
from edgewright.targets.artifact import Artifact
from edgewright.targets.rockchip.accuracy import places
from edgewright.targets.rockchip.backend import RockchipBackend
from edgewright.targets.rockchip.plan import MATCH_FILE
from edgewright.targets.rockchip.readback import read_built
from edgewright.targets.rockchip.session import SimulatorSession
from edgewright.targets.rockchip.tool import Tool
from edgewright.tensors import Part
from tests.targets.rockchip.graphs import images, plan_for, samples, silu_model

pytestmark = [pytest.mark.toolchain, pytest.mark.timeout(600), pytest.mark.usefixtures("toolkit")]
PARTS = (Part("y", "y", 1, 0, None, "tensor"),)


def compared(backend: RockchipBackend, artifact: Artifact) -> VendorLayers:
    model = silu_model()
    plan = backend.expected_plan(model, plan_for(model))
    return Comparer(backend, model, model, plan, artifact, artifact, PARTS).compare(images(3), 2)


@pytest.fixture(scope="module")
def artifact(tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    folder = tmp_path_factory.mktemp("built")
    return RockchipBackend("rk3588").build(silu_model(), plan_for(silu_model()), folder, samples)


def test_every_tensor_is_proven_and_near_the_emulation(artifact: Artifact) -> None:
    found = compared(RockchipBackend("rk3588"), artifact)
    assert (found.misnamed, found.unproven, found.gone) == ({}, (), ())
    assert found.fused == {"s": "m", "t": "n"}
    assert [row.tensor for row in found.tensors] == ["c", "m", "d", "n", "p", "y"]
    assert found.where.endswith("simulator of rk3588")
    for row in found.tensors:
        assert row.apart is not None
        assert row.apart < 0.01, "ties that are rounded the other way"
        assert row.alone is not None
        assert 0.001 < row.alone < 0.03
    assert {row.tensor for row in found.tensors if row.isolated is None} == {"c", "p"}, "no grid there"
    depthwise = next(row for row in found.tensors if row.tensor == "d")
    assert depthwise.alone == pytest.approx(depthwise.isolated, rel=0.1)


def test_the_trace_is_what_the_toolkits_accuracy_analysis_writes(
    artifact: Artifact, monkeypatch: pytest.MonkeyPatch
) -> None:
    backend = RockchipBackend("rk3588")
    (sample,) = images(1)
    names = places(read_built(artifact.folder))
    asked = {name: names[name] for name in ("c", "m", "d", "n", "p", "y")}
    traced = next(backend.trace(artifact, list(asked), [sample]))
    original = Tool.call

    def call(tool: Tool, command: str, arguments: Any, *rest: Any, **more: Any) -> Any:
        return original(tool, command, {**arguments, "kind": "simulator"}, *rest, **more)

    monkeypatch.setattr(Tool, "call", call)
    session = backend.open(artifact)
    assert isinstance(session, SimulatorSession)
    ((written, table),) = session.analyse(asked, [sample])
    assert "single" in table
    for name in asked:
        np.testing.assert_array_equal(traced[name].ravel(), written[name].ravel())


def test_names_that_were_matched_to_wrong_tensors_are_found_out(artifact: Artifact) -> None:
    path = artifact.folder / MATCH_FILE
    kept = path.read_text(encoding="utf-8")
    match = json.loads(kept)
    match["matched"] |= {"m": "n", "n": "m"}
    path.write_text(json.dumps(match), encoding="utf-8")
    try:
        found = compared(RockchipBackend("rk3588"), artifact)
    finally:
        path.write_text(kept, encoding="utf-8")
    assert set(found.misnamed) == {"m", "n"}
    assert {"m", "n"}.isdisjoint(row.tensor for row in found.tensors)
