"""A vendor's tool that fails on a user's model: known issues first, then the control model of its family."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

import edgewright as ew
from edgewright.errors import ToolchainError
from edgewright.findings import Severity
from edgewright.graph.io import load_model
from edgewright.graph.model import Model
from edgewright.targets.artifact import Artifact
from edgewright.targets.onnxruntime.backend import OnnxRuntimeBackend
from edgewright.targets.rockchip.backend import open_backend
from edgewright.toolchains.environments import ToolchainMissing
from edgewright.toolchains.known_issues import load_issues
from edgewright.workflow.known import issue_notes, issues_of
from tests.toolchains.conftest import spec_of

DEMO = Path(__file__).resolve().parents[2] / "demo"
(DEMO_SHAPE,) = (port.shape for port in load_model(DEMO / "detector.onnx").inputs)
ISSUES = """
[[issue]]
code = "resize-dies"
versions = ">=2.0"
chips = ["cpu"]
ops = ["Resize", "Concat"]
precisions = ["float"]
what = "a Resize kills the compiler"
shows = "a crash"
cure = "take version 1.0"
source = "a report"

[[issue]]
code = "old"
versions = "<2.0"
ops = ["Concat"]
what = "cured since"
shows = "nothing"
cure = "none"
source = "a report"

[[issue]]
code = "worked-around"
what = "read-only arrays"
shows = "a ValueError"
cure = "Edgewright copies them"
source = "a report"
handled = true

[[issue]]
code = "narrow"
precisions = ["int8"]
families = ["yolov8"]
what = "boxes and scores share a grid"
shows = "no detection"
cure = "repair"
source = "a report"
"""


class Failing(OnnxRuntimeBackend):
    """A vendor's compiler that fails on the demo detector, or on every model."""

    def __init__(self, *, everything: bool = False, error: ToolchainError | None = None) -> None:
        super().__init__("cpu")
        self._everything = everything
        self._error = error or ToolchainError("acme failed at 'build': it died", why="it died")
        self.asked = 0

    def toolchain(self) -> Mapping[str, str]:
        return {"Acme Compiler": "2.0"}

    def build(self, model: Model, plan: Any, folder: Path, samples: Any = None) -> Artifact:
        self.asked += 1
        (folder / "log.txt").write_text("last words")
        if self._everything or [port.shape for port in model.inputs] == [DEMO_SHAPE]:
            self._error.log = str(folder / "log.txt")
            raise self._error
        return super().build(model, plan, folder, samples)


@pytest.fixture
def acme(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edgewright.targets.registry.vendors", lambda: ("onnxruntime",))
    monkeypatch.setattr("edgewright.targets.registry.vendor_spec", lambda vendor: spec_of())
    monkeypatch.setattr("edgewright.toolchains.vendors.vendor_issues", lambda vendor: load_issues(ISSUES))


@pytest.fixture
def images(tmp_path: Path) -> Path:
    (tmp_path / "images").mkdir()
    for path in sorted((DEMO / "images" / "evaluation").iterdir())[:2]:
        (tmp_path / "images" / path.name).write_bytes(path.read_bytes())
    return tmp_path / "images"


def deployed(backend: OnnxRuntimeBackend, images: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr("edgewright.workflow.deploy.get_backend", lambda target: backend)
    out = images.parent / "run"
    return ew.deploy(DEMO / "detector.onnx", images=images, precision="float", out=out)


@pytest.mark.usefixtures("acme")
def test_where_the_control_comes_out_right_the_model_is_named(images: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    backend = Failing()
    with pytest.raises(ToolchainError) as failure:
        deployed(backend, images, monkeypatch)
    said = str(failure.value)
    assert backend.asked == 2
    assert failure.value.why.startswith("it died\n")
    assert "known issue resize-dies: a Resize kills the compiler" in said
    assert "worked-around" not in said
    assert "narrow" not in said, "the build was in float"
    assert "the control model yolov8-head comes out right in float" in said
    assert "the cause lies in this model" in said
    assert failure.value.todo == "take version 1.0"
    assert failure.value.log in said
    assert Path(failure.value.log).read_text() == "last words", "a failed build is deleted, its log is not"
    assert Path(failure.value.log).is_relative_to(images.parent / "run")


@pytest.mark.usefixtures("acme")
def test_where_the_control_fails_too_the_toolchain_is_named(images: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ToolchainError) as failure:
        deployed(Failing(everything=True), images, monkeypatch)
    assert "the control model yolov8-head fails in float too" in failure.value.why
    assert failure.value.why.endswith("so the toolchain is to blame, not this model")


class Spoiled(OnnxRuntimeBackend):
    """ONNX Runtime that halves what it computes: of the demo detector, or of every model."""

    def __init__(self, *, everything: bool) -> None:
        super().__init__("cpu")
        self._everything = everything

    def toolchain(self) -> Mapping[str, str]:
        return {"Acme Compiler": "2.0"}

    def open(self, artifact: Artifact) -> Any:
        session = super().open(artifact)
        demo = [port.spec.shape for port in artifact.inputs] == [DEMO_SHAPE]

        class Halved:
            ran_on = session.ran_on

            def __call__(self, feeds: Any) -> Any:
                return {name: values / 2 for name, values in session(feeds).items()}

            def run_many(self, feeds: Any) -> Any:
                return map(self, feeds)

            def __enter__(self) -> Any:
                return self

            def __exit__(self, *error: Any) -> None:
                session.__exit__(None, None, None)

        return Halved() if demo or self._everything else session


@pytest.mark.usefixtures("acme")
@pytest.mark.parametrize(("everything", "words"), [(True, "toolchain is to blame"), (False, "lies in this model")])
def test_wrong_figures_are_put_down_to_model_or_toolchain(
    images: Path, monkeypatch: pytest.MonkeyPatch, everything: bool, words: str
) -> None:
    run = deployed(Spoiled(everything=everything), images, monkeypatch)
    assert run.verdict == "failed"
    (told,) = (finding for finding in run.findings if finding.code == "EW702")
    assert words in told.message
    assert told.severity is (Severity.WARNING if everything else Severity.INFO)
    assert (told.evidence["control"], told.evidence["precision"]) == ("yolov8-head", "float")


@pytest.mark.usefixtures("acme")
def test_a_missing_toolchain_blames_nobody(images: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    backend = Failing(everything=True, error=ToolchainMissing("Acme Compiler", "not installed"))
    with pytest.raises(ToolchainMissing) as failure:
        deployed(backend, images, monkeypatch)
    assert backend.asked == 1
    assert "control" not in str(failure.value)


@pytest.mark.usefixtures("acme")
def test_deploy_tells_known_issues_that_concern_the_model(images: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Building(Failing):
        def build(self, *arguments: Any, **more: Any) -> Artifact:
            return OnnxRuntimeBackend.build(self, *arguments, **more)

    run = deployed(Building(), images, monkeypatch)
    (told,) = (finding for finding in run.findings if finding.code == "EW701")
    assert (told.severity, told.where) == (Severity.WARNING, "onnxruntime/cpu")
    assert "Acme Compiler 2.0" in told.message
    assert told.evidence["issue"] == "resize-dies"
    assert not [finding for finding in run.findings if finding.code == "EW702"], "nothing is wrong here"
    assert run.verdict == "passed"


@pytest.mark.usefixtures("acme")
def test_issues_of_a_precision_are_told_where_it_is_built() -> None:
    model = load_model(DEMO / "detector.onnx")
    codes = [issue.code for issue in issues_of(Failing(), model, "yolov8", ("float", "int8"))]
    assert codes == ["resize-dies", "narrow"]
    assert [issue.code for issue in issues_of(Failing(), model, "tensors", ("int8",))] == []


def test_a_target_without_a_toolchain_of_its_own_has_none() -> None:
    model = load_model(DEMO / "detector.onnx")
    assert issue_notes(OnnxRuntimeBackend("cpu"), model, "yolov8", ("float",)) == []

    # emulated: the vendor's tool takes no part
    assert issue_notes(open_backend("rv1126"), model, "yolov8", ("int8",)) == []
    told = [note.evidence["issue"] for note in issue_notes(open_backend("rk3588"), model, "yolov8", ("int8",))]
    assert "joined-head" in told
    assert "hybrid-mmse" not in told, "Edgewright works around it"
