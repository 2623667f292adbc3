"""What `paddle/*` refuses, says of itself, and makes of what an artifact says; without Paddle."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import edgewright as ew
from edgewright.errors import BundleError, TargetMismatch, ToolchainError, UserError
from edgewright.graph.model import Model
from edgewright.graph.origin import Origin
from edgewright.targets.artifact import Artifact, PortSpec
from edgewright.targets.backend import FromSource, OwnControls
from edgewright.targets.paddle.backend import PaddleBackend
from edgewright.targets.paddle.host import why_no_gpu
from edgewright.targets.paddle.inference import Options
from edgewright.targets.paddle.remedies import Setup
from edgewright.targets.paddle.session import Runnable
from edgewright.targets.registry import get_backend, toolchain_version, versions_of
from edgewright.tensors import TensorSpec
from tests.helpers import model_from_text


def relu() -> Model:
    return model_from_text(
        '<ir_version: 8, opset_import: ["" : 13]> g (float[1,3] x) => (float[1,3] y) { y = Relu (x) }'
    )


def origin(folder: Path, framework: str = "paddle") -> Origin:
    scale = {"scale_factor": np.ones((1, 2), np.float32)}
    return Origin(
        framework, "2.6.2", folder / "model.pdmodel", folder / "model.pdiparams", ("image",), ("save_0",), scale
    )


def artifact(folder: Path, **changed: Any) -> Artifact:
    said = {
        "origin": origin(folder).to_json(),
        "setup": Setup("2.6.2", Options()).to_json(),
        "asked": "2.6.2",
        "cause": None,
        "remedies": [],
        **changed,
    }
    return Artifact(
        target="paddle/cpu",
        precision="float",
        files=("model.pdmodel", "model.pdiparams"),
        folder=folder,
        inputs=(PortSpec(TensorSpec("x", "float32", (1, 3))),),
        outputs=(PortSpec(TensorSpec("y", "float32", (1, 3))),),
        toolchain={"Paddle": "2.6.2"},
        digest="",
        read_back=said,
    )


def test_a_version_behind_the_name() -> None:
    assert versions_of("paddle/cpu") == ("2.6.2", "3.3.1", "3.0.0rc1")
    assert toolchain_version(get_backend("paddle/cpu==3.3.1")) == "3.3.1"
    backend = get_backend("paddle/cpu")
    assert isinstance(backend, FromSource)
    assert isinstance(backend, OwnControls)
    assert backend.capabilities().precisions == ("float",)


def test_an_onnx_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="paddle/cpu runs Paddle models, and this one is ONNX") as failure:
        PaddleBackend("cpu").build(relu(), None, tmp_path)
    assert "onnxruntime/cpu" in failure.value.todo
    with pytest.raises(UserError, match="this one is of torch"):
        PaddleBackend("cpu").build_from(origin(tmp_path, "torch"), relu(), "float", tmp_path)


def test_other_precisions_are_refused(tmp_path: Path) -> None:
    for precision in ("float16", "int8"):
        with pytest.raises(UserError, match=f"computes in float only, not in {precision}") as failure:
            PaddleBackend("cpu").build_from(origin(tmp_path), relu(), precision, tmp_path)
        assert "no float16" in failure.value.why


def test_a_gpu_that_is_not_there_is_refused_with_the_reason(tmp_path: Path) -> None:
    backend = PaddleBackend("gpu")
    able = backend.capabilities()
    assert not able.runs_here
    assert able.reason
    for call in (
        lambda: backend.build_from(origin(tmp_path), relu(), "float", tmp_path),
        lambda: backend.open(replace(artifact(tmp_path), target="paddle/gpu")),
        lambda: backend.build(relu(), None, tmp_path),
        lambda: backend.run_own_control("convolutions", tmp_path),
    ):
        with pytest.raises(TargetMismatch, match="paddle/gpu cannot be used here") as failure:
            call()
        assert failure.value.why == able.reason
    assert list(tmp_path.iterdir()) == []


def test_a_gpu_is_refused_before_any_work(tmp_path: Path) -> None:
    demo = Path(__file__).resolve().parents[3] / "demo"
    with pytest.raises(TargetMismatch, match="paddle/gpu cannot be used here") as failure:
        ew.deploy(
            demo / "detector.onnx", target="paddle/gpu", images=demo / "images" / "evaluation", out=tmp_path / "run"
        )
    assert "GPU" in failure.value.why
    assert not (tmp_path / "run").exists()


def test_why_there_is_no_gpu(tmp_path: Path) -> None:
    assert "no NVIDIA GPU" in why_no_gpu(tmp_path / "nothing")
    (tmp_path / "version").write_text("NVRM version")
    assert "only logs that a GPU was asked for" in why_no_gpu(tmp_path / "version")


def test_an_artifact_of_another_chip_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TargetMismatch, match="built for paddlelite/x86"):
        PaddleBackend("cpu").open(replace(artifact(tmp_path), target="paddlelite/x86"))


def test_inner_tensors_and_plans_are_refused(tmp_path: Path) -> None:
    backend = PaddleBackend("cpu")
    with pytest.raises(UserError, match="shows no inner tensors"):
        backend.trace(artifact(tmp_path), ["x"], [])
    with pytest.raises(UserError, match="no precision plans"):
        backend.read_plan(tmp_path)


def test_a_sample_goes_in_by_paddles_names_with_the_constants(tmp_path: Path) -> None:
    runnable = Runnable.of(artifact(tmp_path))
    fed = runnable.feed({"x": np.array([[1, 2, 3]], np.float64)})
    assert list(fed) == ["scale_factor", "image"]
    assert fed["image"].dtype == np.float32
    np.testing.assert_array_equal(fed["scale_factor"], [[1, 1]])
    with pytest.raises(UserError, match="'x' is not given"):
        runnable.feed({"image": np.zeros((1, 3), np.float32)})
    with pytest.raises(UserError, match="wants shape"):
        runnable.feed({"x": np.zeros((1, 4), np.float32)})


def test_outputs_come_back_by_the_models_names(tmp_path: Path) -> None:
    runnable = Runnable.of(artifact(tmp_path))
    found = runnable.answer({"other": np.zeros(9), "save_0": np.array([1, 2, 3], np.float32)})
    assert list(found) == ["y"]
    assert found["y"].shape == (1, 3)
    with pytest.raises(ToolchainError, match="gives no 'save_0'"):
        runnable.answer({"other": np.zeros(3)})
    with pytest.raises(ToolchainError, match="shape"):
        runnable.answer({"save_0": np.zeros(4)})


@pytest.mark.parametrize(
    "changed",
    [
        {"setup": None},
        {"setup": {"version": "2.6.2", "options": {"onednn": "sometimes"}}},
        {"setup": {"version": "2.6.2", "options": {"attempts": 10**6}}},
        {"setup": {"version": "2.6.2", "options": {"plugin": "x.so"}}},
        {"origin": {}},
    ],
)
def test_an_artifact_from_anywhere_cannot_say_just_anything(tmp_path: Path, changed: dict[str, Any]) -> None:
    with pytest.raises(BundleError, match="does not say how it is run"):
        PaddleBackend("cpu").open(artifact(tmp_path, **changed))


@pytest.mark.parametrize("program", ["../elsewhere/model.pdmodel", "/etc/passwd", "other.pdmodel"])
def test_an_artifact_runs_no_file_but_its_own(tmp_path: Path, program: str) -> None:
    said = {**origin(tmp_path).to_json(), "program": program}
    with pytest.raises(BundleError, match="files or ports"):
        PaddleBackend("cpu").open(artifact(tmp_path, origin=said))


def test_nothing_is_said_of_an_artifact_that_runs_by_default(tmp_path: Path) -> None:
    assert PaddleBackend("cpu").review(artifact(tmp_path), None) == []


def test_what_worked_and_what_did_not_is_told(tmp_path: Path) -> None:
    tried = [
        {"name": "onednn-off", "what": "switch oneDNN off", "state": "fails", "why": "x"},
        {"name": "other-version-3.3.1", "what": "use Paddle 3.3.1", "state": "works", "why": ""},
    ]
    built = artifact(
        tmp_path,
        cause={"code": "unknown-op", "what": "It has no such op.", "line": "l"},
        remedies=tried,
        setup=Setup("3.3.1", Options()).to_json(),
    )
    first, second = PaddleBackend("cpu").review(built, None)
    assert (first.code, second.code) == ("EW710", "EW711")
    assert "It has no such op. Tried: switch oneDNN off: fails; use Paddle 3.3.1: works" in first.message
    assert first.remedy.endswith("use Paddle 3.3.1.")
    assert "the figures are those of Paddle 3.3.1" in second.message
