"""The real Paddle Lite: what it builds, what it gets wrong without a word, and what is said of it."""

from __future__ import annotations

import shutil
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import psutil  # type: ignore[import-untyped]
import pytest

from edgewright.errors import TargetMismatch, UserError
from edgewright.graph.origin import Origin
from edgewright.targets.artifact import Artifact
from edgewright.targets.paddlelite.backend import open_backend
from edgewright.targets.paddlelite.control import control_model
from edgewright.targets.paddlelite.nb import parse_nb, read_nb
from edgewright.targets.paddlelite.process import call_worker
from edgewright.targets.paddlelite.program import Wording, _program_class, reworded
from edgewright.toolchains.deaths import Death, WorkerFailed
from edgewright.toolchains.environments import Environment, ensure
from edgewright.toolchains.vendors import vendor_spec
from tests.targets.paddlelite.files import nb_bytes

pytestmark = [pytest.mark.toolchain, pytest.mark.timeout(300)]
PICTURE = np.random.default_rng(0).random((1, 3, 32, 32), np.float32)


@pytest.fixture(scope="module")
def made() -> Environment:
    return ensure(vendor_spec("paddlelite"), yes=True)


@pytest.fixture(scope="module")
def old() -> Environment:
    return ensure(vendor_spec("paddlelite"), "2.10", yes=True)


def program_in(folder: Path) -> dict[str, Any]:
    """The control's files in a folder, and what opt is asked with."""
    origin, _ = control_model()
    folder.mkdir(parents=True, exist_ok=True)
    data, _ = reworded(origin.program.read_bytes(), Wording({"swish": {"beta": 1.0}}, {}, ()), "x")
    (folder / "model.pdmodel").write_bytes(data)
    shutil.copyfile(origin.weights, folder / "model.pdiparams")
    arguments = {"program": "model.pdmodel", "weights": "model.pdiparams", "output": "model", "quantise": None}
    return {**arguments, "target": "x86"}


def optimised(made: Environment, folder: Path, **asked: Any) -> bytes:
    """opt past all of our own checks."""
    call_worker(made, "optimise", {**program_in(folder), **asked}, folder)
    return (folder / "model.nb").read_bytes()


def death_of(made: Environment, command: str, arguments: dict[str, Any], folder: Path) -> Death:
    with pytest.raises(WorkerFailed) as failure:
        call_worker(made, command, arguments, folder, 120.0)
    assert Path(failure.value.log).is_file()
    return failure.value.death


def run_past_us(made: Environment, data: bytes, folder: Path, *pictures: Any) -> Death:
    folder.mkdir(exist_ok=True)
    (folder / "model.nb").write_bytes(data)
    inputs: dict[str, Any] = {f"x{index}": picture[None] for index, picture in enumerate(pictures)}
    np.savez(folder / "in.npz", **inputs)
    return death_of(made, "run", {"file": "model.nb", "inputs": "in.npz", "outputs": "o.npz", "fetches": 2}, folder)


def cause_of(death: Death) -> tuple[str, str]:
    assert death.cause is not None, death.lines
    return death.signal, death.cause.code


@pytest.mark.parametrize("targets", ["arm", "arm,x86", "x86,arm"])
def test_a_file_for_other_processors_is_refused_on_x86_with_the_reason(
    made: Environment, tmp_path: Path, targets: str
) -> None:
    """The founding case: such a file crashed on x86, or ran, ended with status 0 and answered garbage."""
    built = open_backend("x86").build_from(*control_model(), "float", tmp_path / "right")
    data = optimised(made, tmp_path / "wrong", target=targets)
    (tmp_path / "wrong" / "model.nb").write_bytes(data)
    strange = replace(built, folder=tmp_path / "wrong", digest=parse_nb(data).digest)
    with pytest.raises(TargetMismatch, match="lie on kernels for arm") as failure:
        open_backend("x86").open(strange)
    assert "/4/" in failure.value.why, "the kernels are named, with the number of ARM"
    assert "garbage" in failure.value.why or "what lay in memory" in failure.value.why
    with open_backend("x86").open(built) as session:
        assert set(session({"image": PICTURE})) == {"probabilities", "features"}


@pytest.mark.usefixtures("made")
def test_x86_computes_what_paddle_computes(tmp_path: Path) -> None:
    errors = open_backend("x86").run_own_control("small-network", tmp_path)
    assert all(error is not None and error <= 1e-5 for error in errors.values()), errors


@pytest.mark.usefixtures("made")
def test_stored_weights_are_smaller_and_nearly_right(tmp_path: Path) -> None:
    """Those of the matrix product too, which the runtime would multiply with as integers."""
    backend = open_backend("x86")
    built = {one: backend.build_from(*control_model(), one, tmp_path / one) for one in ("float", "int16", "int8")}
    outputs = {one: backend.open(artifact)({"image": PICTURE}) for one, artifact in built.items()}
    for part in ("probabilities", "features"):
        exact = outputs["float"][part]
        errors = [
            float(np.linalg.norm(outputs[one][part] - exact) / np.linalg.norm(exact)) for one in ("int16", "int8")
        ]
        assert 0 < errors[0] < 1e-3
        assert errors[0] < errors[1] < 0.05
    for one, bits in (("int16", "16"), ("int8", "8")):
        assert built[one].read_back["stored"][bits] >= 2
        assert built[one].read_back["reworded"]["matmul_v2: weights kept in float"] == 1


@pytest.mark.usefixtures("made")
def test_two_builds_are_one_artifact(made: Environment, tmp_path: Path) -> None:
    built = [open_backend("x86").build_from(*control_model(), "float", tmp_path / name) for name in "ab"]
    assert built[0].digest == built[1].digest
    assert built[0].path.read_bytes() == built[1].path.read_bytes()
    raw = [optimised(made, tmp_path / name) for name in "cd"]
    assert {parse_nb(data).digest for data in raw} == {built[0].digest}


@pytest.mark.usefixtures("made")
def test_an_arm_artifact_is_built_read_back_and_not_run(tmp_path: Path) -> None:
    backend = open_backend("arm")
    built = backend.build_from(*control_model(), "float", tmp_path)
    assert set(built.read_back["places"]) == {"arm", "host"}
    assert read_nb(built.path).version == "2.12"
    with pytest.raises(TargetMismatch, match="not run on this host"):
        backend.open(built)


def test_a_file_of_a_newer_opt(made: Environment, old: Environment, tmp_path: Path) -> None:
    data = optimised(made, tmp_path / "new")
    assert cause_of(run_past_us(old, data, tmp_path / "run", PICTURE)) == ("SIGABRT", "unsupported-kernel")
    artifact = open_backend("x86").build_from(*control_model(), "float", tmp_path / "built")
    with pytest.raises(TargetMismatch, match=r"newer than the runtime 2\.10"):
        open_backend("x86", "2.10").open(artifact)


@pytest.mark.usefixtures("made")
def test_times_are_taken_where_the_runs_happen(tmp_path: Path) -> None:
    session = open_backend("x86").open(open_backend("x86").build_from(*control_model(), "float", tmp_path))
    taken, note = session.time_runs({"image": PICTURE}, seconds=0.1, least=5, most=20)
    assert 5 <= len(taken) <= 20
    assert 0 < min(taken) < 0.5, "a start of the process takes longer"
    assert "own process" in note


def test_a_run_without_inputs_aborts(made: Environment, tmp_path: Path) -> None:
    data = optimised(made, tmp_path / "build")
    assert cause_of(run_past_us(made, data, tmp_path / "run")) == ("SIGABRT", "shape-check")


def test_a_file_that_is_cut_short(made: Environment, tmp_path: Path) -> None:
    assert cause_of(run_past_us(made, nb_bytes("x86")[:3000], tmp_path / "run", PICTURE)) == ("SIGABRT", "cut-file")


def test_a_program_that_is_not_there(made: Environment, tmp_path: Path) -> None:
    arguments = {**program_in(tmp_path), "program": "nosuch.pdmodel"}
    assert cause_of(death_of(made, "optimise", arguments, tmp_path)) == ("SIGABRT", "missing-program")
    assert cause_of(death_of(made, "ops", arguments, tmp_path)) == ("SIGABRT", "missing-program")


def test_an_onnx_file_as_the_program(made: Environment, tmp_path: Path) -> None:
    arguments = program_in(tmp_path)
    (tmp_path / "model.pdmodel").write_bytes(control_model()[1].data)
    assert cause_of(death_of(made, "optimise", arguments, tmp_path)) == ("SIGABRT", "no-program")


def with_op(origin: Origin, folder: Path, old: str, new: str) -> Origin:
    program = _program_class().FromString(origin.program.read_bytes())
    for op in (op for block in program.blocks for op in block.ops if op.type == old):
        op.type = new
    (folder / "odd.pdmodel").write_bytes(program.SerializeToString())
    return replace(origin, program=folder / "odd.pdmodel")


@pytest.mark.usefixtures("made")
def test_an_op_without_a_kernel_is_named_before_anything_is_built(tmp_path: Path) -> None:
    origin, model = control_model()
    with pytest.raises(UserError, match="paddlelite/x86 has no kernel for determinant"):
        open_backend("x86").build_from(with_op(origin, tmp_path, "softmax", "determinant"), model, "float", tmp_path)
    assert not (tmp_path / "model.nb").exists()


@pytest.mark.usefixtures("made")
def test_silu_is_built_as_the_swish_that_it_is(tmp_path: Path) -> None:
    origin, model = control_model()
    backend = open_backend("x86")
    silu = backend.build_from(with_op(origin, tmp_path, "swish", "silu"), model, "float", tmp_path / "silu")
    swish = backend.build_from(origin, model, "float", tmp_path / "swish")
    assert silu.digest == swish.digest


@pytest.mark.usefixtures("old")
def test_what_an_old_version_has_not_is_told_of_that_version(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no kernel for matmul_v2") as failure:
        open_backend("x86", "2.10").build_from(*control_model(), "float", tmp_path)
    assert "2.10" in failure.value.why


@pytest.mark.usefixtures("made")
def test_opt_that_is_killed_leaves_no_artifact(tmp_path: Path) -> None:
    """By the system, when memory runs out, for instance."""
    done = threading.Event()

    def kill() -> None:
        while not done.is_set():
            for child in psutil.Process().children(recursive=True):
                with_script = any("worker.py" in word for word in _words(child))
                if with_script and (tmp_path / "build" / "request.json").is_file():
                    child.kill()
                    return
            time.sleep(0.005)

    killer = threading.Thread(target=kill)
    killer.start()
    try:
        with pytest.raises(WorkerFailed) as failure:
            open_backend("x86").build_from(*control_model(), "float", tmp_path)
    finally:
        done.set()
        killer.join()
    assert failure.value.death.signal == "SIGKILL"
    assert not (tmp_path / "model.nb").exists()
    again: Artifact = open_backend("x86").build_from(*control_model(), "float", tmp_path)
    assert again.path.is_file()


def _words(child: Any) -> list[str]:
    try:
        return list(child.cmdline())
    except psutil.Error:
        return []
