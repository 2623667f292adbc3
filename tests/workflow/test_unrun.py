"""A target that is built for and does not run here: nothing of it passes, and nothing stands in for it unsaid."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from edgewright.errors import TargetMismatch
from edgewright.report.rows import variant_rows
from edgewright.report.table import closing_line, render_text
from edgewright.targets.artifact import Artifact
from edgewright.targets.backend import Backend, Capabilities, Session
from edgewright.targets.onnxruntime.backend import OnnxRuntimeBackend
from edgewright.targets.paddlelite.backend import open_backend
from edgewright.workflow.unrun import measuring_backend, variant_name
from tests.cli import zoo
from tests.workflow.repairs import Job


class Elsewhere(OnnxRuntimeBackend):
    """Builds like ONNX Runtime; what it builds must not be opened."""

    def __init__(self) -> None:
        super().__init__("cpu")

    def capabilities(self) -> Capabilities:
        return replace(super().capabilities(), runs_here=False, reason="it is a Mars rover", stand_in="onnxruntime/cpu")

    def open(self, artifact: Artifact) -> Session:
        raise TargetMismatch(f"{artifact.path} was opened")


@pytest.fixture
def job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Job:
    monkeypatch.setattr("edgewright.workflow.deploy.get_backend", lambda target: Elsewhere())
    return Job(tmp_path, zoo.detector(wide=True))


def test_it_is_built_read_back_and_neither_passed_nor_failed(job: Job) -> None:
    run = job.run(precision=("float",))
    assert run.verdict == "not run"
    assert run.bundle is None
    (stand_in, own) = run.table
    assert (stand_in.name, stand_in.verdict) == ("float, cpu in its stead", "reference")
    assert (own.name, own.verdict, own.ran_on) == ("float", "not run", "not run")
    assert (own.metric, own.drop, own.parts, own.latency) == (None, None, (), None)
    assert own.artifact_digest
    assert stand_in.latency is None, "a time of another processor is no time of this one"


def test_it_says_why_and_where_the_file_lies(job: Job) -> None:
    run = job.run(precision=("float",))
    (told,) = [finding for finding in run.findings if finding.code == "EW724"]
    assert "it is a Mars rover" in told.message
    assert "No figure of it exists" in told.message
    assert (run.run_dir / told.evidence["file"]).is_file()
    assert "onnxruntime/cpu are those of the same program on another processor" in told.remedy


def test_the_table_and_the_last_line_say_not_run(job: Job) -> None:
    run = job.run(precision=("float",))
    assert [row.verdict for row in variant_rows(run.report)] == ["reference", "not run"]
    assert "not run" in render_text(run.report, 120)
    line = closing_line(run.report, bundle=None, report_path="r.html", seconds=1.0)
    assert line.startswith("NOT RUN  ")
    assert "Not run" in run.page.read_text(encoding="utf-8")


def test_a_second_run_finds_everything_in_place(job: Job) -> None:
    job.run(precision=("float",))
    again = job.run(precision=("float",))
    assert again.reused
    assert again.verdict == "not run"


def test_who_measures() -> None:
    arm: Backend = open_backend("arm", "2.10")
    measuring = measuring_backend(arm)
    assert measuring.capabilities().target == "paddlelite/x86"
    assert measuring.toolchain() == {"Paddle Lite": "2.10"}, "of the same version"
    x86: Backend = open_backend("x86")
    assert measuring_backend(x86) is x86


def test_weights_that_are_only_stored_are_called_so() -> None:
    assert variant_name(open_backend("x86"), "int8") == "int8 weights"
    assert variant_name(open_backend("x86"), "float") == "float"
    assert variant_name(OnnxRuntimeBackend("cpu"), "int8") == "int8"
