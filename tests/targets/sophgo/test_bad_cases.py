"""What goes wrong with the real TPU-MLIR, and what is said of it; see `test_real_tool` for the rest."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

import edgewright as ew
from edgewright.errors import UserError
from edgewright.graph.model import Model
from edgewright.targets.sophgo.backend import SophgoBackend
from edgewright.targets.sophgo.build import CALIBRATION, transform
from edgewright.targets.sophgo.process import call_worker
from edgewright.toolchains.deaths import Death, WorkerFailed
from edgewright.toolchains.environments import Environment, ensure
from edgewright.toolchains.vendors import vendor_spec
from tests.helpers import model_from_text, normal
from tests.targets.sophgo.nets import network

pytestmark = [pytest.mark.toolchain, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def made() -> Environment:
    return ensure(vendor_spec("sophgo"), yes=True)


def death_of(made: Environment, command: str, arguments: dict[str, Any], folder: Path) -> Death:
    """How the tool ends that is asked past our own checks."""
    with pytest.raises(WorkerFailed) as failure:
        call_worker(made, command, arguments, folder)
    assert Path(failure.value.log).is_file()
    return failure.value.death


def cause_of(death: Death) -> str:
    assert death.cause is not None, death.lines
    return death.cause.code


def relu(opset: int = 13, shape: str = "1,3,8,8") -> Model:
    ir_version = 8 if opset < 19 else 10
    return model_from_text(
        f'<ir_version: {ir_version}, opset_import: ["" : {opset}]> '
        f"g (float[{shape}] x) => (float[{shape}] y) {{ y = Relu (x) }}"
    )


def test_a_shape_that_is_left_open(made: Environment, tmp_path: Path) -> None:
    (tmp_path / "open.onnx").write_bytes(relu(shape="1,3,H,W").data)
    arguments = {"model": "open.onnx", "shapes": [], "name": "net"}
    assert cause_of(death_of(made, "transform", arguments, tmp_path)) == "dynamic-shape"


@pytest.mark.usefixtures("made")
def test_an_opset_that_is_too_new_is_refused_by_us(tmp_path: Path) -> None:
    """The tool reads it, and leaves the checking to whoever is on the board."""
    with pytest.raises(UserError, match="opset 22 is not one that TPU-MLIR reads"):
        SophgoBackend("bm1684x").build(relu(opset=22), None, tmp_path)


def test_a_type_that_the_chip_has_not(made: Environment, tmp_path: Path) -> None:
    read = transform(made, network(), tmp_path / "build")
    arguments = {"module": read.module, "chip": "bm1684", "quantize": "F16", "model": "m.bmodel"}
    assert cause_of(death_of(made, "lower", arguments, read.folder)) == "precision-not-on-chip"


def test_a_table_that_is_gone(made: Environment, tmp_path: Path) -> None:
    read = transform(made, network(), tmp_path / "build")
    arguments = {
        "module": read.module,
        "chip": "bm1684x",
        "quantize": "INT8",
        "model": "m.bmodel",
        "calibration": CALIBRATION,
    }
    death = death_of(made, "lower", arguments, read.folder)
    assert "the table calibration.txt is not there" in death.what


def test_a_calibration_image_that_is_gone(made: Environment, tmp_path: Path) -> None:
    read = transform(made, network(), tmp_path / "build")
    (read.folder / "images.txt").write_text(f"{tmp_path}/nothing.npz\n", encoding="utf-8")
    arguments = {"module": read.module, "list": "images.txt", "count": 1, "options": [], "table": "t.txt"}
    assert cause_of(death_of(made, "calibrate", arguments, read.folder)) == "missing-image"
    assert not (read.folder / "t.txt").exists()


@pytest.mark.usefixtures("made")
def test_an_einsum_over_five_axes_is_refused_with_what_to_do(tmp_path: Path) -> None:
    """What kills the other vendor's compiler without a word."""
    model = model_from_text(
        """<ir_version: 8, opset_import: ["" : 13]> g (float[1,3,32,32] x) => (float[1,2,4,32,32] y)
        {
          c = Conv <kernel_shape=[3,3], pads=[1,1,1,1]> (x, w)
          r = Reshape (c, s)
          y = Einsum <equation="abcde,abcfe->abcdf"> (r, r)
        }""",
        w=normal(8, 3, 3, 3, scale=0.3),
        s=np.array([1, 2, 4, 32, 32], np.int64),
    )
    with pytest.raises(WorkerFailed) as failure:
        SophgoBackend("bm1684x").build(model, None, tmp_path)
    assert cause_of(failure.value.death) == "op-constraint"
    assert "Reshape" in failure.value.todo


@pytest.mark.usefixtures("made")
def test_an_op_that_the_tool_has_not_is_named_by_deploy_with_the_verdict_of_the_control(tmp_path: Path) -> None:
    """`Det` is an op of ONNX that ONNX Runtime computes."""
    model = model_from_text(
        """<ir_version: 8, opset_import: ["" : 13]> g (float[1,3,32,32] x) => (float[1,8] y)
        { c = Conv <kernel_shape=[3,3], pads=[1,1,1,1]> (x, w)  y = Det (c) }""",
        w=normal(8, 3, 3, 3, scale=0.3),
    )
    (tmp_path / "model.onnx").write_bytes(model.data)
    (tmp_path / "images").mkdir()
    random = np.random.default_rng(0)
    for index in range(2):
        cv2.imwrite(str(tmp_path / "images" / f"{index}.png"), random.integers(0, 255, (32, 32, 3), np.uint8))
    with pytest.raises(WorkerFailed) as failure:
        ew.deploy(
            tmp_path / "model.onnx",
            images=tmp_path / "images",
            target="sophgo/bm1684x",
            task="tensors",
            precision="float",
            out=tmp_path / "run",
        )
    error = failure.value
    assert cause_of(error.death) == "unsupported-op"
    assert "Det" in error.why
    assert "the control model plain-conv comes out right in float" in error.why
    assert Path(error.log).is_relative_to(tmp_path / "run")
