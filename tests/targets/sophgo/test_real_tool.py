"""SOPHGO targets with the real TPU-MLIR. Installed into the user's cache if it is not there yet."""

from __future__ import annotations

import os
import shutil
import signal
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from edgewright.errors import ToolchainError, UserError
from edgewright.graph.model import Model
from edgewright.graph.reference import ReferenceSession
from edgewright.quant.qdq import write_qdq
from edgewright.targets.sophgo.backend import SophgoBackend
from edgewright.targets.sophgo.build import CALIBRATION, LOWERED, check_inputs, compile_module, transform
from edgewright.targets.sophgo.calibration import vendor_plan
from edgewright.targets.sophgo.mlir import parse_mlir
from edgewright.targets.sophgo.process import call_worker
from edgewright.toolchains.deaths import WorkerFailed
from edgewright.toolchains.environments import Environment, ensure
from edgewright.toolchains.vendors import vendor_spec
from tests.helpers import model_from_text, normal
from tests.targets.sophgo.nets import TAIL, deep_network, images, is_symmetric, network, planned

pytestmark = [pytest.mark.toolchain, pytest.mark.timeout(300)]
MODULES = Path(__file__).parent / "modules"


@pytest.fixture(scope="module")
def made() -> Environment:
    return ensure(vendor_spec("sophgo"), yes=True)


def relative(expected: np.ndarray, found: np.ndarray) -> float:
    return float(np.linalg.norm(expected - found) / np.linalg.norm(expected))


@pytest.mark.usefixtures("made")
@pytest.mark.parametrize("chip", ["bm1684", "bm1684x"])
def test_float_and_int8_are_built_and_run(chip: str, tmp_path: Path) -> None:
    model, backend = network(), SophgoBackend(chip)
    feeds = images(3)
    expected = [ReferenceSession(model.data)(sample) for sample in feeds]
    built = backend.build(model, None, tmp_path / "float", images)
    assert built.read_back["int8"] == 0
    with backend.open(built) as session:
        for ours, theirs in zip(expected, session.run_many(feeds), strict=True):
            assert max(relative(ours[name], theirs[name]) for name in ours) < 1e-5

    plan = planned(model, chip, TAIL)
    quantised = backend.build(model, plan, tmp_path / "int8", images)
    assert quantised.read_back["identity"] == {"samples": 2, "same": True, "largest": 0.0, "relative_l2": 0.0}
    assert (quantised.read_back["int8"], quantised.read_back["float"]) == (7, 3)
    assert 0 < quantised.read_back["latency_ms"]["value"] < 1
    assert "not measured" in quantised.read_back["latency_ms"]["source"]
    assert quantised.path.suffix == ".bmodel"
    assert [finding.code for finding in backend.review(quantised, plan)] == []

    emulated = ReferenceSession(write_qdq(model, backend.expected_plan(model, plan)).data, optimise=False)
    with backend.open(quantised) as session:
        for sample, ours, theirs in zip(feeds, expected, session.run_many(feeds), strict=True):
            assert 0.001 < relative(ours["pooled"], theirs["pooled"]) < 0.2
            assert relative(theirs["pooled"], emulated(sample)["pooled"]) < 0.01
    seen = next(iter(backend.trace(quantised, ["d", "image"], feeds)))
    assert seen["d"].shape == (1, 8, 16, 16)


@pytest.mark.usefixtures("made")
def test_a_draft_computes_what_the_build_does(tmp_path: Path) -> None:
    model, backend = network(), SophgoBackend("bm1684")
    plan, feeds = planned(model, "bm1684", TAIL), images(3)
    whole = backend.build(model, plan, tmp_path / "whole", images)
    draft = backend.draft(model, plan, tmp_path / "draft", images)
    assert draft.digest == whole.digest, "what was measured of the draft stands for the build"
    assert whole.path.suffix == ".bmodel"
    assert draft.path.name == LOWERED
    assert not list(draft.folder.rglob("*.bmodel"))
    same = ("int8", "int16", "float", "conversions", "in_float", "changed_grids", "widened")
    assert [draft.read_back[name] for name in same] == [whole.read_back[name] for name in same]
    assert draft.read_back["identity"] == {"samples": 0}
    with backend.open(whole) as one, backend.open(draft) as other:
        for ours, theirs in zip(one.run_many(feeds), other.run_many(feeds), strict=True):
            for name in ours:
                np.testing.assert_array_equal(ours[name], theirs[name])


@pytest.mark.usefixtures("made")
def test_behind_a_float_layer_the_chips_file_is_what_counts(tmp_path: Path) -> None:
    model, backend = deep_network(), SophgoBackend("bm1684x")
    narrow = backend.build(model, planned(model, "bm1684x"), tmp_path / "int8", images)
    assert "most_images" not in narrow.read_back, "integers are the same in both"
    assert narrow.read_back["identity"]["same"]

    plan = planned(model, "bm1684x", ("c1", "r1"))
    mixed = backend.build(model, plan, tmp_path / "mixed", images)
    assert mixed.read_back["float_before_codes"] == ["x1_Relu"]
    assert mixed.read_back["most_images"] == 64
    assert mixed.read_back["ran_on"].endswith("bm1684x simulated, its own file")
    assert next(finding.code for finding in backend.review(mixed, plan)) == "EW609"
    feeds = images(9)
    draft = backend.draft(model, plan, tmp_path / "draft", images)
    assert "most_images" not in draft.read_back, "there is no file of the chip"
    with backend.open(mixed) as shown, backend.open_chip(mixed) as chip, backend.open(draft) as module:
        for ours, theirs, near in zip(shown.run_many(feeds), chip.run_many(feeds), module.run_many(feeds), strict=True):
            np.testing.assert_array_equal(ours["out"], theirs["out"])
            assert relative(near["out"], ours["out"]) < 0.05


@pytest.mark.usefixtures("made")
@pytest.mark.parametrize(
    ("chip", "tag", "float_nodes"),
    [
        ("bm1684", "all", ()),
        ("bm1684", "tail", TAIL),
        ("bm1684x", "all", ()),
        ("bm1684x", "asymmetric", ()),
        ("cv181x", "all", ()),
    ],
)
def test_the_recorded_modules_are_still_what_the_tool_makes(
    chip: str, tag: str, float_nodes: tuple[str, ...], tmp_path: Path
) -> None:
    backend, model = SophgoBackend(chip), network()
    plan = planned(model, chip, float_nodes, symmetric=is_symmetric(chip, tag))
    path = backend.write_plan(model, plan, tmp_path, images)
    found = backend.read_plan(path)
    shutil.copyfile(MODULES / "names.json", tmp_path / "names.json")
    shutil.copyfile(MODULES / f"{chip}_{tag}.mlir", tmp_path / LOWERED)
    recorded = backend.read_plan(tmp_path / LOWERED)
    assert found.ops == recorded.ops
    assert found.activations.keys() == recorded.activations.keys()
    for name, grid in recorded.activations.items():
        assert found.activations[name].scale == pytest.approx(grid.scale, rel=1e-5)


@pytest.mark.usefixtures("made")
def test_a_cvimodel_is_built(tmp_path: Path) -> None:
    model, backend = network(), SophgoBackend("cv181x")
    built = backend.build(model, planned(model, "cv181x", TAIL), tmp_path, images)
    assert built.path.suffix == ".cvimodel"
    assert built.read_back["int8"] >= 7
    assert built.read_back["identity"]["same"], "on the vendor's model of the chip"
    assert "latency_ms" not in built.read_back


def bad(nodes: str, **weights: np.ndarray) -> Model:
    return model_from_text(
        f"""<ir_version: 8, opset_import: ["" : 13, "com.acme" : 1]>
        g (float[1,3,8,8] x) => (float[1,3,8,8] y) {{ {nodes} }}""",
        **weights,
    )


def test_an_unsupported_op_is_named(made: Environment, tmp_path: Path) -> None:
    with pytest.raises(WorkerFailed) as caught:
        transform(made, bad("y = com.acme.Odd (x)"), tmp_path / "build")
    assert caught.value.death.cause is not None
    assert (caught.value.death.cause.code, "Odd" in caught.value.why) == ("unsupported-op", True)
    assert Path(caught.value.log).is_file()


def test_an_open_shape_is_refused_by_us(made: Environment, tmp_path: Path) -> None:
    model = model_from_text(
        """<ir_version: 8, opset_import: ["" : 13]> g (float[n,3,8,8] x) => (float[n,3,8,8] y) { y = Relu (x) }"""
    )
    with pytest.raises(UserError, match="fixed shape"):
        transform(made, model, tmp_path / "build")


def test_a_missing_table_is_explained(made: Environment, tmp_path: Path) -> None:
    read = transform(made, network(), tmp_path / "build")
    with pytest.raises(WorkerFailed) as caught:
        compile_module(made, read, "bm1684x", "INT8", "m.bmodel", None, whole=False)
    assert caught.value.death.cause is not None
    assert caught.value.death.cause.code == "no-range"
    (read.folder / CALIBRATION).write_text("image 1.0 0.0 1.0\n", encoding="utf-8")
    arguments = {"module": read.module, "chip": "bm9999", "quantize": "INT8", "model": "m.bmodel"}
    with pytest.raises(WorkerFailed) as caught:
        call_worker(made, "lower", arguments, read.folder)
    assert caught.value.death.cause is not None
    assert caught.value.death.cause.code == "unknown-chip"


def test_a_truncated_model_is_explained(made: Environment, tmp_path: Path) -> None:
    data = network().data
    (tmp_path / "half.onnx").write_bytes(data[: len(data) // 2])
    with pytest.raises(WorkerFailed) as caught:
        call_worker(made, "transform", {"model": "half.onnx", "shapes": [[1, 3, 16, 16]], "name": "net"}, tmp_path)
    assert caught.value.death.cause is not None
    assert caught.value.death.cause.code == "truncated-model"


def test_a_wrong_channel_count_is_caught_by_us(made: Environment, tmp_path: Path) -> None:
    """TPU-MLIR itself takes four channels for a Conv of three."""
    model = network()
    (tmp_path / "net.onnx").write_bytes(model.data)
    wrong = {"model": "net.onnx", "shapes": [[1, 4, 16, 16]], "name": "net"}
    assert call_worker(made, "transform", wrong, tmp_path).result["module"] == "net.mlir"
    with pytest.raises(ToolchainError, match="other inputs"):
        check_inputs(model, parse_mlir((tmp_path / "net.mlir").read_text(encoding="utf-8")))


def test_a_hang_ends_at_the_time_limit(made: Environment, tmp_path: Path) -> None:
    (tmp_path / "net.onnx").write_bytes(network().data)
    arguments = {"model": "net.onnx", "shapes": [[1, 3, 16, 16]], "name": "net"}
    with pytest.raises(WorkerFailed) as caught:
        call_worker(made, "transform", arguments, tmp_path, seconds=0.3)
    assert caught.value.death.kind == "timeout"


def test_a_compiler_that_is_killed_is_told(made: Environment, tmp_path: Path) -> None:
    wide = normal(64, 3, 3, 3)
    model = model_from_text(
        """<ir_version: 8, opset_import: ["" : 13]>
        g (float[1,3,512,512] x) => (float[1,64,512,512] y) { y = Conv <pads = [1,1,1,1]> (x, w) }""",
        w=wide,
    )
    read = transform(made, model, tmp_path / "build")

    def kill() -> None:
        import psutil

        for _ in range(600):
            for process in psutil.process_iter(["name", "cwd"]):
                if process.info["name"] == "tpuc-opt" and process.info["cwd"] == str(read.folder):
                    os.kill(process.pid, signal.SIGKILL)
                    return
            time.sleep(0.02)

    killer = threading.Thread(target=kill)
    killer.start()
    with pytest.raises(WorkerFailed) as caught:
        compile_module(made, read, "bm1684x", "F32", "m.bmodel", None)
    killer.join()
    assert caught.value.death.cause is not None
    assert caught.value.death.cause.code == "compiler-died-silently"


def test_the_vendors_own_calibration_gives_a_plan(made: Environment, tmp_path: Path) -> None:
    model = network()
    plan = planned(model, "bm1684x", TAIL)
    read = transform(made, model, tmp_path / "build")
    found = vendor_plan(made, plan, read, images, "max")
    assert found.activations.keys() == plan.activations.keys()
    seen = [ReferenceSession(model.data)(sample)["pooled"] for sample in images(100)]
    assert float(found.activations["pooled"].scale) * 127 == pytest.approx(max(np.abs(x).max() for x in seen), rel=0.05)
    assert "max" in found.origin["observer"]
    with pytest.raises(UserError, match="'median'"):
        vendor_plan(made, plan, read, images, "median")


@pytest.mark.parametrize("version", ["1.30.2", "1.6"])
def test_every_calibration_of_a_version_gives_ranges_of_its_own(version: str, tmp_path: Path) -> None:
    """The options by which one is chosen differ from version to version."""
    ensure(vendor_spec("sophgo"), version, yes=True)
    backend, model = SophgoBackend("bm1684x", version), network()
    plan = planned(model, "bm1684x", TAIL)
    plans = {
        method: backend.vendor_plan(model, plan, method, lambda count: images(min(count, 8)), tmp_path / method)
        for method in backend.calibrations()
    }
    assert {"kl", "max", "percentile9999"} <= set(plans)
    assert len({found.digest for found in plans.values()}) == len(plans)
    assert all(found.ops == plan.ops and found.weights == plan.weights for found in plans.values())
