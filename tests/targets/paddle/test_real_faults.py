"""What goes wrong with the real Paddle, what is said of it, and which remedy works."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from edgewright.errors import UserError
from edgewright.targets.artifact import Artifact
from edgewright.targets.paddle.backend import PaddleBackend
from edgewright.targets.paddle.inference import Options, run_inference
from edgewright.toolchains.deaths import WorkerFailed
from tests.targets.paddle.conftest import Export, GetExport

pytestmark = [pytest.mark.toolchain, pytest.mark.timeout(900)]


def built(export: Export, folder: Path, version: str = "", output: str = "") -> Artifact:
    options = Options(onednn="off")
    if not output:
        told = run_inference(export.program, export.weights, [export.feeds], version=export.version, options=options)
        output = told.names[0]
    backend = PaddleBackend("cpu", version or export.version)
    return backend.build_from(export.origin(output), export.model, "float", folder)


def failure_of(export: Export, folder: Path, version: str = "") -> WorkerFailed:
    with pytest.raises(WorkerFailed) as failure:
        built(export, folder, version, output="any")
    assert Path(failure.value.log).is_file()
    assert {path.name for path in (folder / "trial").rglob("*") if path.is_file()} == {"log.txt"}
    return failure.value


def states(artifact: Artifact) -> dict[str, str]:
    return {one["name"]: one["state"] for one in artifact.read_back["remedies"]}


def test_the_founding_fault_is_found_explained_and_mended(exported: GetExport, tmp_path: Path) -> None:
    """3.0.0rc1, on the CPU only: the first predictor fails; without oneDNN, or the second time, it does not."""
    artifact = built(exported("classifier", "3.0.0rc1"), tmp_path)
    told = states(artifact)
    assert told["onednn-off"] == "works"
    assert told["second-predictor"] == "works"
    assert told["ir-optim-off"] == "fails"
    assert told["other-version-3.3.1"] == "works"
    assert told["gpu"] == told["export-again"] == "not tried"
    assert artifact.read_back["setup"] == {"version": "3.0.0rc1", "options": Options(onednn="off").to_json()}
    assert artifact.read_back["settings"]["onednn"] is False
    assert artifact.read_back["cause"]["code"] == "pir-output-defs"
    assert "kernel output args (0) defs should equal op outputs (1)" in artifact.read_back["cause"]["line"]
    assert (tmp_path / "trial" / "default" / "log.txt").is_file()
    (finding,) = PaddleBackend("cpu", "3.0.0rc1").review(artifact, None)
    assert finding.code == "EW710"
    assert finding.remedy == "Whoever runs the model must do the same: switch oneDNN off: `config.disable_mkldnn()`."


def test_the_second_predictor_of_a_process_works(exported: GetExport) -> None:
    export = exported("classifier", "3.0.0rc1")
    found = run_inference(
        export.program, export.weights, [export.feeds], version="3.0.0rc1", options=Options(attempts=2)
    )
    assert found.attempts == 2


def test_the_older_format_has_no_such_fault(exported: GetExport, tmp_path: Path) -> None:
    artifact = built(exported("classifier", "2.6.2"), tmp_path, "3.0.0rc1")
    assert artifact.read_back["cause"] is None
    assert states(artifact) == {}


def test_a_resize_by_a_factor_in_the_newest_version(exported: GetExport, tmp_path: Path) -> None:
    artifact = built(exported("neck", "3.3.1"), tmp_path)
    assert artifact.read_back["cause"]["code"] == "pir-attribute"
    assert states(artifact)["onednn-off"] == "works"
    assert artifact.read_back["setup"]["options"]["onednn"] == "off"


def test_another_version_is_used_where_nothing_else_helps(exported: GetExport, tmp_path: Path) -> None:
    """3.0.0rc1 does not read what 3.3.1 exports; which runs it, without oneDNN only where there is a Resize."""
    artifact = built(exported("classifier", "2.6.2"), tmp_path / "a", "2.6.2")
    assert artifact.toolchain == {"Paddle": "2.6.2"}
    error = failure_of(exported("neck", "3.3.1"), tmp_path / "b", "3.0.0rc1")
    assert error.death.cause is not None
    assert error.death.cause.code == "newer-program"
    assert "use Paddle 3.3.1: fails (pir-attribute)" in error.why


def test_float16_on_the_cpu(exported: GetExport, tmp_path: Path) -> None:
    error = failure_of(exported("half", "2.6.2"), tmp_path)
    assert error.death.cause is not None
    assert error.death.cause.code == "no-kernel-at-all"
    assert "none of the remedies that can be tried here works" in error.why
    assert "switch oneDNN off: `config.disable_mkldnn()`: fails" in error.why
    assert error.todo.startswith("export the model in float32")
    assert "NVIDIA GPU" in error.todo


@pytest.mark.parametrize("version", ["2.6.2", "3.3.1"])
def test_an_op_without_a_kernel_for_the_cpu(exported: GetExport, tmp_path: Path, version: str) -> None:
    error = failure_of(exported("masked", version), tmp_path)
    assert error.death.cause is not None
    assert error.death.cause.code == "gpu-only-op"
    assert "none of the remedies" not in error.why, "nothing here could help, so nothing was tried"
    assert "run on a GPU" in error.todo


@pytest.mark.parametrize("version", ["2.6.2", "3.3.1"])
def test_a_program_of_random_bytes_kills_paddle_and_not_us(exported: GetExport, tmp_path: Path, version: str) -> None:
    export = exported("classifier", "2.6.2")
    (tmp_path / "model.pdmodel").write_bytes(bytes(range(255, 0, -1)) * 16)
    with pytest.raises(UserError, match="whatever its name says"):
        built(replace(export, program=tmp_path / "model.pdmodel"), tmp_path / "b", version, output="any")
    with pytest.raises(WorkerFailed) as failure:
        run_inference(
            tmp_path / "model.pdmodel", export.weights, [export.feeds], version=version, folder=tmp_path / "run"
        )
    death = failure.value.death
    assert (death.kind, death.signal) == ("signal", "SIGSEGV")
    assert death.cause is not None
    assert death.cause.code == "crash-in-program"


def test_files_that_are_cut_missing_or_of_another_model(exported: GetExport, tmp_path: Path) -> None:
    export, other = exported("classifier", "2.6.2"), exported("neck", "2.6.2")
    for which, code in (("program", "cut-program"), ("weights", "cut-weights")):
        cut = tmp_path / getattr(export, which).name
        cut.write_bytes(getattr(export, which).read_bytes()[:300])
        error = failure_of(replace(export, **{which: cut}), tmp_path / which)
        assert error.death.cause is not None
        assert error.death.cause.code == code
    with pytest.raises(UserError, match="the weights of the Paddle model is missing"):
        built(replace(export, weights=tmp_path / "nothing.pdiparams"), tmp_path / "c", output="any")
    mixed = failure_of(replace(exported("masked", "2.6.2"), weights=other.weights), tmp_path / "d")
    assert mixed.death.cause is not None
    assert mixed.death.cause.code == "surplus-weights"


def test_the_newest_version_computes_without_its_weights(exported: GetExport, tmp_path: Path) -> None:
    """Why a missing file is refused before Paddle is asked."""
    export = exported("classifier", "3.3.1")
    program = tmp_path / export.program.name
    shutil.copyfile(export.program, program)
    with pytest.raises(UserError, match="weights of the Paddle model is missing"):
        run_inference(program, tmp_path / "nothing.pdiparams", [export.feeds], version="3.3.1")


def test_a_new_export_for_an_old_version(exported: GetExport, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"Paddle 2\.6\.2 does not read classifier\.json"):
        built(exported("classifier", "3.3.1"), tmp_path, "2.6.2", output="any")
