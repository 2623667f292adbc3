"""The real toolkit."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgewright.errors import TargetMismatch, UserError
from edgewright.findings import Severity
from edgewright.graph.reference import ReferenceSession
from edgewright.quant.plan import Precision
from edgewright.targets.artifact import Artifact
from edgewright.targets.rockchip.backend import RockchipBackend
from edgewright.targets.rockchip.readback import read_built
from edgewright.toolchains.deaths import WorkerFailed
from tests.helpers import model_from_text, normal
from tests.targets.rockchip.graphs import images, plan_for, samples, silu_model

pytestmark = [pytest.mark.toolchain, pytest.mark.usefixtures("toolkit"), pytest.mark.timeout(120)]


def error(artifact: Artifact, backend: RockchipBackend) -> float:
    """Relative L2 error of the simulated output."""
    model = silu_model()
    with backend.open(artifact) as session:
        found = np.stack([outputs["y"] for outputs in session.run_many(images())])
    reference = ReferenceSession(model.data)
    wanted = np.stack([reference(one)["y"] for one in images()])
    assert found.shape == wanted.shape
    return float(np.linalg.norm(found - wanted) / np.linalg.norm(wanted))


def test_float_is_exported_and_simulated(tmp_path: Path) -> None:
    backend = RockchipBackend("rk3588")
    artifact = backend.build(silu_model(), None, tmp_path)
    assert artifact.path.read_bytes().startswith(b"RKNN")
    assert (artifact.read_back["int8"], artifact.read_back["float"]) == (0, 6)
    assert error(artifact, backend) < backend.capabilities().float_tolerance
    with pytest.raises(TargetMismatch):
        RockchipBackend("rk3566").open(artifact)


@pytest.mark.parametrize("version", ["2.3.2", "2.5.0"])
def test_a_plan_takes_hold_op_by_op(tmp_path: Path, version: str) -> None:
    from edgewright.toolchains.environments import ensure
    from edgewright.toolchains.vendors import vendor_spec

    ensure(vendor_spec("rockchip"), version, yes=True)
    backend = RockchipBackend("rk3588", version)
    changes: dict[str, Precision] = {"y": "float", "n": "int16", "t": "int16"}
    plan = plan_for(silu_model(), changes)
    artifact = backend.build(silu_model(), plan, tmp_path, samples)
    assert {name: artifact.read_back[name] for name in ("int8", "int16", "float")} == {
        "int8": 3,
        "int16": 1,
        "float": 1,
    }
    assert not [one for one in backend.review(artifact, plan) if one.severity is Severity.ERROR]
    found = backend.read_plan(artifact.path).activations
    for name in ("x", "m", "n"):
        assert found[name].bits == plan.activations[name].bits
        assert found[name].scale == pytest.approx(plan.activations[name].scale, rel=1e-4)
        assert int(found[name].zero_point) == int(plan.activations[name].zero_point)
    assert 1e-4 < error(artifact, backend) < 0.05


def test_plans_of_one_model_share_the_first_step_and_each_takes_hold(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from edgewright.targets.rockchip.tool import Tool

    commands = []
    original = Tool.call

    def call(tool: Tool, command: str, *arguments: Any, **more: Any) -> Any:
        commands.append(command)
        return original(tool, command, *arguments, **more)

    monkeypatch.setattr(Tool, "call", call)
    backend = RockchipBackend("rk3588")
    first = backend.build(silu_model(), plan_for(silu_model()), tmp_path / "first", samples)
    wider = plan_for(silu_model(), {"n": "int16", "t": "int16"})
    second = backend.build(silu_model(), wider, tmp_path / "second", samples)
    assert commands == ["prepare", "build", "build"]
    assert (first.read_back["int16"], second.read_back["int16"]) == (0, 1)
    assert 1e-4 < error(second, backend) < 0.05


def test_traced_tensors_lie_on_the_grids_that_were_planned(tmp_path: Path) -> None:
    backend = RockchipBackend("rk3588")
    plan = plan_for(silu_model())
    artifact = backend.build(silu_model(), plan, tmp_path, samples)
    assert {"m", "d", "n"} <= set(backend.traceable(silu_model(), artifact).tensors)
    (values,) = backend.trace(artifact, ["m", "n"], images(1))
    for name in ("m", "n"):
        assert values[name].shape == (1, 8, 8, 8)
        codes = values[name] / float(plan.activations[name].scale)
        assert np.abs(codes - np.rint(codes)).max() < 1e-3
    with pytest.raises(UserError, match="no tensor 's'"):
        next(backend.trace(artifact, ["s"], images(1)))


def test_a_depthwise_conv_keeps_a_grid_before_its_silu_and_another_conv_does_not(tmp_path: Path) -> None:
    """What the fusion profile in facts.toml rests on."""
    RockchipBackend("rk3588").build(silu_model(), plan_for(silu_model()), tmp_path, samples)
    table = read_built(tmp_path).table
    assert {name: table[name]["fused"] for name in "cmdnp"} == {
        "c": True, "m": False, "d": False, "n": False, "p": True,
    }  # fmt: skip


def test_the_toolkits_own_calibrations_are_plans(tmp_path: Path) -> None:
    """Asked for mmse, the toolkit's hybrid quantisation computes kl_divergence: a plan must hold what it says."""
    backend = RockchipBackend("rk3588")
    generator = np.random.default_rng(0)
    tailed = [{"x": generator.standard_t(3, (1, 3, 16, 16)).astype(np.float32)} for _ in range(16)]
    ours = plan_for(silu_model(), {"n": "int16", "t": "int16"})
    plans = {
        method: backend.vendor_plan(silu_model(), ours, method, lambda count: tailed[:count], tmp_path / method)
        for method in backend.calibrations()
    }
    assert set(plans) == {"normal", "mmse", "kl"}
    for plan in plans.values():
        assert plan.activations.keys() == ours.activations.keys()
        assert plan.ops == ours.ops
        assert plan.activations["n"] is ours.activations["n"], "the toolkit calibrates for 8 bits"
        assert plan.activations["m"].scale != ours.activations["m"].scale
    assert len({plan.digest for plan in plans.values()}) == 3
    artifact = backend.build(silu_model(), plans["mmse"], tmp_path / "built", lambda count: tailed[:count])
    found = backend.read_plan(artifact.path).activations
    assert found["m"].scale == pytest.approx(plans["mmse"].activations["m"].scale, rel=1e-4)
    with pytest.raises(UserError, match="no calibration 'best'"):
        backend.vendor_plan(silu_model(), ours, "best", samples, tmp_path / "none")


@pytest.mark.parametrize("version", ["2.3.2", "2.5.0"])
def test_rv1126b_fuses_what_the_facts_of_the_version_say(version: str, tmp_path: Path) -> None:
    from edgewright.toolchains.environments import ensure
    from edgewright.toolchains.vendors import vendor_spec

    ensure(vendor_spec("rockchip"), version, yes=True)
    backend = RockchipBackend("rv1126b", version)
    backend.build(silu_model(), plan_for(silu_model()), tmp_path, samples)
    table = read_built(tmp_path).table
    assert table["c"]["fused"] is backend.capabilities().fusion.fuse_silu
    assert table["p"]["fused"] is backend.capabilities().fusion.fuse_residual


def test_a_rewrite_that_dies_on_a_yolov8_head_is_left_out_in_the_version_that_has_it(tmp_path: Path) -> None:
    """A Conv that is read through Reshape and Split: IndexError with 2.5.0, unless it is told to leave the rule out."""
    from edgewright.diagnose.controls import CONTROLS
    from edgewright.toolchains.environments import ensure
    from edgewright.toolchains.vendors import vendor_spec

    ensure(vendor_spec("rockchip"), "2.5.0", yes=True)
    backend = RockchipBackend("rk3588", "2.5.0")
    artifact = backend.build(CONTROLS.get("yolov8-head").build(), None, tmp_path)
    request = json.loads((tmp_path / "request.json").read_text(encoding="utf-8"))
    assert request["arguments"]["options"]["disable_rules"] == ["seperate_conv_rs_split"]
    assert artifact.path.is_file()


def test_one_channel(tmp_path: Path) -> None:
    model = model_from_text(
        """<ir_version: 8, opset_import: ["" : 13]> g (float[1,1,16,16] x) => (float[1,4,16,16] y)
        { c = Conv <pads=[1,1,1,1]> (x, w)  y = Relu (c) }""",
        w=normal(4, 1, 3, 3),
    )
    for node in model.ir.graph:
        node.name = node.outputs[0].name
    backend = RockchipBackend("rv1103")
    gray = images(channels=1)
    from edgewright.quant.collect import collect_statistics
    from edgewright.quant.layout import default_precisions
    from edgewright.quant.observers import parse_observer
    from edgewright.quant.planner import QuantOptions, make_plan

    profile = backend.capabilities().fusion
    statistics = collect_statistics(model, ["x", "c", "y"], gray, histogram=False)
    precisions = default_precisions(model, profile, "int8")
    plan = make_plan(model, profile, statistics, precisions, QuantOptions(parse_observer("minmax")))
    artifact = backend.build(model, plan, tmp_path, lambda count: gray[:count])
    with backend.open(artifact) as session:
        found = session(gray[0])["y"]
    wanted = ReferenceSession(model.data)(gray[0])["y"]
    assert np.linalg.norm(found - wanted) / np.linalg.norm(wanted) < 0.02


def bad(text: str, **weights: Any) -> Any:
    return model_from_text(f'<ir_version: 8, opset_import: ["" : 13, "com.acme" : 1]> g {text}', **weights)


BAD = {
    "custom-op": bad("(float[1,4] x) => (float[1,4] y) { y = com.acme.Fancy (x) }"),
    "dynamic-op": bad("(float[1,4] x) => (int64[2,N] y) { y = NonZero (x) }"),
    "compiler-crash": bad(
        '(float[1,2,3,4,5] x) => (float[1,2,3,4,4] y) { y = Einsum <equation="abcde,abcfe->abcdf"> (x, x) }'
    ),
}


@pytest.mark.parametrize("code", BAD)
def test_what_the_toolkit_cannot_build_is_explained(tmp_path: Path, code: str) -> None:
    with pytest.raises(WorkerFailed) as failure:
        RockchipBackend("rk3588").build(BAD[code], None, tmp_path)
    assert failure.value.death.cause is not None
    assert failure.value.death.cause.code == code
    assert failure.value.todo


def test_a_shape_that_is_not_the_models_is_refused(tmp_path: Path) -> None:
    backend = RockchipBackend("rk3588")
    artifact = backend.build(silu_model(), None, tmp_path)
    with backend.open(artifact) as session, pytest.raises(UserError, match="wants shape"):
        session({"x": np.zeros((1, 4, 16, 16), np.float32)})


def test_a_damaged_artifact_is_an_error_whose_log_is_kept_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import tempfile

    backend = RockchipBackend("rk3588")
    artifact = backend.build(silu_model(), plan_for(silu_model()), tmp_path / "built", samples)
    artifact.path.with_name("fused.onnx").write_bytes(b"\x08\x08damaged")
    (tmp_path / "scratch").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "scratch"))
    with backend.open(artifact) as session, pytest.raises(WorkerFailed) as failure:
        session(images(1)[0])
    assert [path.name for path in (tmp_path / "scratch").rglob("*") if path.is_file()] == ["log.txt"]
    assert Path(failure.value.log).is_file()


def test_a_chip_of_integers_alone_is_deployed_beside_a_float_model_of_the_embedded_runtime(tmp_path: Path) -> None:
    from tests.cli import zoo
    from tests.workflow.repairs import Job

    run = Job(tmp_path, zoo.detector()).run(target="rockchip/rv1106", verify={"max_drop": 10})
    assert run.verdict == "passed"
    reference, int8 = run.table
    assert (reference.verdict, reference.ran_on.partition(" ")[0]) == ("reference", "onnxruntime")
    assert int8.ran_on.startswith("RKNN-Toolkit2")
    assert 0 < run.toolchain_seconds < run.seconds
    assert run.bundle is not None
