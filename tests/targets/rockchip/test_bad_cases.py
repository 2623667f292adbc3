"""What goes wrong with the real toolkit, and what is said of it."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

import edgewright as ew
from edgewright.errors import EdgewrightError, OutputError, UserError
from edgewright.graph.model import Model
from edgewright.targets.rockchip import tool
from edgewright.targets.rockchip.backend import RockchipBackend
from edgewright.targets.rockchip.tool import MODEL_FILE, Tool
from edgewright.toolchains.deaths import Death, WorkerFailed
from edgewright.toolchains.limits import Limits
from edgewright.workflow.run_dir import RunDir
from tests.helpers import model_from_text, normal
from tests.targets.rockchip.graphs import images, plan_for, silu_model

pytestmark = [pytest.mark.toolchain, pytest.mark.usefixtures("toolkit"), pytest.mark.timeout(120)]
RK3588 = Tool("rk3588", "2.3.2")


def death_of(folder: Path, data: bytes, command: str = "build", asked: Tool = RK3588, **arguments: Any) -> Death:
    """How the toolkit ends that is handed `data` as a model, past our own checks."""
    folder.mkdir(exist_ok=True)
    (folder / MODEL_FILE).write_bytes(data)
    with pytest.raises(WorkerFailed) as failure:
        asked.call(command, arguments, folder)
    assert Path(failure.value.log).is_file()
    return failure.value.death


def cause_of(death: Death) -> str:
    assert death.cause is not None, death.lines
    return death.cause.code


def test_a_truncated_model(tmp_path: Path) -> None:
    data = silu_model().data
    death = death_of(tmp_path, data[: len(data) // 2])
    assert (death.kind, cause_of(death)) == ("exception", "damaged-model")


def test_a_shape_that_is_left_open(tmp_path: Path) -> None:
    model = model_from_text(
        '<ir_version: 8, opset_import: ["" : 13]> g (float[1,3,H,W] x) => (float[1,3,H,W] y) { y = Relu (x) }'
    )
    assert cause_of(death_of(tmp_path / "tool", model.data)) == "dynamic-shape"
    with pytest.raises(UserError, match="needs fixed shapes"):
        RockchipBackend("rk3588").build(model, None, tmp_path / "ours")


def test_an_opset_that_is_too_new(tmp_path: Path) -> None:
    model = model_from_text(
        '<ir_version: 9, opset_import: ["" : 21]> g (float[1,3,4,4] x) => (float[1,3,4,4] y) { y = Relu (x) }'
    )
    assert cause_of(death_of(tmp_path / "tool", model.data)) == "opset-too-new"
    with pytest.raises(UserError, match="opset 21 is newer"):
        RockchipBackend("rk3588").build(model, None, tmp_path / "ours")


def test_a_calibration_image_that_is_gone(tmp_path: Path) -> None:
    death = death_of(tmp_path, silu_model().data, "prepare", samples=[["calibration/0000_0.npy"]], options={})
    assert cause_of(death) == "missing-image"


def test_calibration_images_with_another_number_of_channels(tmp_path: Path) -> None:
    np.save(tmp_path / "four.npy", np.zeros((1, 4, 16, 16), np.float32))
    death = death_of(tmp_path, silu_model().data, "prepare", samples=[["four.npy"]], options={})
    assert cause_of(death) == "image-shape"
    four = images(channels=4)
    with pytest.raises(EdgewrightError):
        RockchipBackend("rk3588").build(
            silu_model(), plan_for(silu_model()), tmp_path / "ours", lambda count: four[:count]
        )


def test_a_chip_that_the_toolkit_does_not_know(tmp_path: Path) -> None:
    assert cause_of(death_of(tmp_path, silu_model().data, asked=Tool("rk9999", "2.3.2"))) == "unknown-chip"


def test_a_type_that_the_chip_has_not(tmp_path: Path) -> None:
    """The toolkit returns -1 and raises nothing."""
    death = death_of(tmp_path, silu_model().data, asked=Tool("rv1103", "2.3.2"))
    assert cause_of(death) == "no-float"
    assert "returned -1 without an exception" in death.what


def test_a_hang_ends_at_the_time_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tool, "_BUILD", Limits(seconds=0.3, memory_mb=12000))
    death = death_of(tmp_path, silu_model().data)
    assert death.kind == "timeout"
    assert death.seconds < 10


def test_a_compiler_that_is_killed_in_the_middle(tmp_path: Path) -> None:
    import psutil

    def kill() -> None:
        until = time.monotonic() + 60
        while time.monotonic() < until:
            for process in psutil.Process().children(recursive=True):
                log = tmp_path / "log.txt"
                if log.is_file() and b"rknn" in log.read_bytes().lower():
                    os.kill(process.pid, signal.SIGKILL)
                    return
            time.sleep(0.02)

    killer = threading.Thread(target=kill)
    killer.start()
    death = death_of(tmp_path, silu_model().data)
    killer.join()
    assert (death.kind, death.signal) == ("signal", "SIGKILL")


def test_a_constant_minus_a_tensor_in_16_bits_is_built_in_float16(tmp_path: Path) -> None:
    """The compiler dies of it: decoders of detections subtract distances from anchors."""
    model = model_from_text(
        """<ir_version: 8, opset_import: ["" : 13]> g (float[1,3,16,16] x) => (float[1,8,16,16] y)
        { c = Conv <pads=[1,1,1,1]> (x, w)  s = Sub (k, c)  y = Conv <pads=[1,1,1,1]> (s, v) }""",
        w=normal(8, 3, 3, 3, scale=0.3),
        v=normal(8, 8, 3, 3, scale=0.3),
        k=normal(1, 8, 1, 1),
    )
    for node in model.ir.graph:
        node.name = node.outputs[0].name
    plan = plan_for(model, {"s": "int16"})
    backend = RockchipBackend("rk3588")
    artifact = backend.build(model, plan, tmp_path, lambda count: images()[:count])
    assert {name: artifact.read_back[name] for name in ("int8", "int16", "float")} == {
        "int8": 2,
        "int16": 0,
        "float": 1,
    }
    (told,) = (one for one in backend.review(artifact, plan) if one.code == "EW503")
    assert told.evidence["ops"] == ["s"]


def einsum() -> Model:
    """An Einsum of five axes behind a convolution."""
    return model_from_text(
        """<ir_version: 8, opset_import: ["" : 13]> g (float[1,3,32,32] x) => (float[1,2,4,32,32] y)
        {
          c = Conv <pads=[1,1,1,1]> (x, w)
          r = Reshape (c, s)
          y = Einsum <equation="abcde,abcfe->abcdf"> (r, r)
        }""",
        w=normal(8, 3, 3, 3, scale=0.3),
        s=np.array([1, 2, 4, 32, 32], np.int64),
    )


@pytest.fixture
def job(tmp_path: Path) -> dict[str, Any]:
    """What a deploy of that model is called with."""
    (tmp_path / "model.onnx").write_bytes(einsum().data)
    (tmp_path / "images").mkdir()
    random = np.random.default_rng(0)
    for index in range(2):
        cv2.imwrite(str(tmp_path / "images" / f"{index}.png"), random.integers(0, 255, (32, 32, 3), np.uint8))
    return {
        "model": tmp_path / "model.onnx",
        "images": tmp_path / "images",
        "target": "rockchip/rk3588",
        "precision": "float",
        "task": "tensors",
        "out": tmp_path / "run",
    }


def test_a_deploy_on_which_the_compiler_crashes_says_that_it_is_the_model(job: dict[str, Any]) -> None:
    with pytest.raises(WorkerFailed) as failure:
        ew.deploy(**job)
    error = failure.value
    assert (error.death.kind, error.death.signal) == ("signal", "SIGSEGV")
    assert "known issue einsum-5d" in error.why
    assert "the control model plain-conv comes out right in float" in error.why
    assert "Segmentation fault" in Path(error.log).read_text(encoding="utf-8", errors="replace")
    assert Path(error.log).is_relative_to(job["out"])
    assert not list(Path(job["out"]).rglob(".partial*"))


def test_of_two_deploys_in_one_run_directory_the_second_is_refused(job: dict[str, Any]) -> None:
    with RunDir.open(job["out"]), pytest.raises(OutputError, match="another edgewright process"):
        ew.deploy(**job)
