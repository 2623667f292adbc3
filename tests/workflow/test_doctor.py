from __future__ import annotations

from pathlib import Path

import pytest

from edgewright.errors import OutputError, UserError
from edgewright.targets.onnxruntime.backend import OnnxRuntimeBackend
from edgewright.toolchains.environments import ToolchainMissing
from edgewright.toolchains.install import install
from edgewright.toolchains.known_issues import load_issues
from edgewright.toolchains.vendors import vendor_spec
from edgewright.workflow import doctor
from edgewright.workflow.doctor import examine_machine, examine_target
from edgewright.workflow.scratch import working_folder
from tests.diagnose.controls.test_controls import Spoiled
from tests.toolchains.conftest import spec_of

ISSUES = """
[[issue]]
code = "scores-of-one"
versions = "<2.1"
chips = ["cpu"]
families = ["picodet-head"]
what = "Every score is 1."
shows = "No box."
cure = "Update."
source = "a report"
"""


def test_a_target_in_order_leaves_nothing(tmp_path: Path) -> None:
    health = examine_target("onnxruntime/cpu", tmp_path, controls=("plain-conv", "resize"))
    assert health.in_order
    states = [(result.control, result.precision, result.state) for result in health.results]
    assert states == [
        *(("plain-conv", "float", "ok"), ("plain-conv", "int8", "ok")),
        *(("resize", "float", "ok"), ("resize", "int8", "ok")),
    ]
    assert not list(tmp_path.iterdir())
    assert health.to_json()["in_order"] is True


def test_what_is_wrong_is_kept_and_known_issues_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    backend = Spoiled(lambda outputs: {**outputs, "scores": outputs["scores"] * 0 + 1})
    monkeypatch.setattr(doctor, "get_backend", lambda target: backend)
    monkeypatch.setattr(doctor, "toolchain_version", lambda backend: "2.0")
    monkeypatch.setattr(doctor, "vendor_spec", lambda vendor: spec_of())
    monkeypatch.setenv("EDGEWRIGHT_CACHE", str(tmp_path / "cache"))
    tmp_path = tmp_path / "work"
    with pytest.raises(ToolchainMissing):
        examine_target("onnxruntime/cpu", tmp_path, controls=("picodet-head",))
    assert not tmp_path.exists()
    monkeypatch.setattr(doctor, "environment", lambda spec, version: None)
    monkeypatch.setattr("edgewright.toolchains.vendors.vendor_issues", lambda vendor: load_issues(ISSUES))
    health = examine_target(
        "onnxruntime/cpu", tmp_path, controls=("picodet-head", "yolov8-head"), precisions=("float",)
    )
    assert [result.state for result in health.results] == ["wrong", "wrong"]
    assert not health.in_order
    assert sorted(path.name for path in tmp_path.iterdir()) == ["picodet-head-float", "yolov8-head-float"]
    told = {entry["control"]: entry["known_issues"] for entry in health.to_json()["controls"]}
    assert told == {"picodet-head": ["scores-of-one"], "yolov8-head": []}


def test_unknown_controls_and_targets_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="unknown control model 'plain'"):
        examine_target("onnxruntime/cpu", tmp_path, controls=("plain",))
    with pytest.raises(UserError, match="unknown target"):
        examine_target("nobody/chip", tmp_path)


def test_the_machine_is_examined_version_by_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGEWRIGHT_CACHE", str(tmp_path / "cache"))
    spec = spec_of(probe=f"assert not __import__('os').path.exists({str(tmp_path / 'broken')!r}), 'gone wrong'")
    monkeypatch.setattr(doctor, "vendors", lambda: ("acme",))
    monkeypatch.setattr(doctor, "vendor_spec", lambda vendor: spec)
    work = tmp_path / "work"
    work.mkdir()
    machine = examine_machine(work)
    assert [entry.state for entry in machine.toolchains] == ["not installed", "not installed"]
    assert "this process" in machine.toolchains[0].python
    assert machine.in_order
    assert machine.free_mb > 0

    made = install(spec)
    machine = examine_machine(work)
    assert [entry.state for entry in machine.toolchains] == ["works", "not installed"]
    assert machine.toolchains[0].seconds is not None

    (tmp_path / "broken").touch()
    machine = examine_machine(work)
    assert machine.toolchains[0].state == "does not work"
    assert "gone wrong" in machine.toolchains[0].why
    assert not machine.in_order

    made.python.unlink()
    assert examine_machine(work).toolchains[0].state == "damaged"
    assert machine.to_json()["toolchains"][0]["vendor"] == "acme"


def test_a_python_that_is_not_there_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGEWRIGHT_CACHE", str(tmp_path / "cache"))
    spec = spec_of()
    old = spec.versions["1.0"].model_copy(update={"python": ["3.5"]})
    spec = spec.model_copy(update={"versions": {"1.0": old}, "default": "1.0"})
    monkeypatch.setattr(doctor, "vendors", lambda: ("acme",))
    monkeypatch.setattr(doctor, "vendor_spec", lambda vendor: spec)
    monkeypatch.setattr(doctor, "find_interpreter", lambda wanted, folder: None)
    (entry,) = examine_machine(tmp_path).toolchains
    assert (entry.python, entry.state) == ("", "not installed")
    assert "no Python 3.5" in entry.why


def test_a_working_folder_goes_only_when_it_is_empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGEWRIGHT_CACHE", str(tmp_path / "cache"))
    with working_folder(None, "doctor-acme/one==2.0") as folder:
        assert folder == tmp_path / "cache" / "doctor-acme-one--2.0"
        (folder / "kept").touch()
        with pytest.raises(OutputError, match="another process"), working_folder(None, "doctor-acme/one==2.0"):
            pass
    assert (folder / "kept").exists()
    with working_folder(None, "doctor-acme/one==2.0") as again:
        assert not list(again.iterdir())
    assert not folder.exists()
    with working_folder(tmp_path / "mine", "x") as folder:
        (folder / "kept").touch()
    assert (tmp_path / "mine" / "kept").exists()
    with pytest.raises(OutputError, match="not empty"), working_folder(tmp_path / "mine", "x"):
        pass


def test_targets_without_a_toolchain_of_their_own_need_none() -> None:
    assert OnnxRuntimeBackend("cpu").toolchain()
    with pytest.raises(UserError):
        vendor_spec("onnxruntime")
