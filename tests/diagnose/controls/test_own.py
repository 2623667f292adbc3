"""Controls of a backend that cannot build ONNX ones."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from edgewright.diagnose.controls import run_own
from edgewright.errors import ToolchainError, UserError
from edgewright.findings import Severity
from edgewright.targets.onnxruntime.backend import OnnxRuntimeBackend
from edgewright.workflow import doctor
from edgewright.workflow.blame import blame_note
from edgewright.workflow.doctor import examine_target
from edgewright.workflow.progress import Quiet


class Own(OnnxRuntimeBackend):
    """A target with two controls of its own."""

    def __init__(self, errors: Mapping[str, float | None] | Exception) -> None:
        super().__init__("cpu")
        self.errors, self.asked = errors, list[str]()

    def own_controls(self) -> tuple[str, ...]:
        return ("plain", "fancy")

    def run_own_control(self, name: str, folder: Path) -> Mapping[str, float | None]:
        assert folder.is_dir()
        self.asked.append(name)
        if isinstance(self.errors, Exception):
            raise self.errors
        return self.errors


@pytest.mark.parametrize(
    ("errors", "state"),
    [({"map": 1e-4}, "ok"), ({"map": 1e-2}, "wrong"), ({"map": 0.0, "scores": None}, "wrong")],
)
def test_it_is_judged_by_what_float_explains(errors: Mapping[str, float | None], state: str, tmp_path: Path) -> None:
    result = run_own(Own(errors), "plain", "float", 1e-3, tmp_path)
    assert (result.control, result.precision, result.state) == ("plain", "float", state)
    assert dict(result.errors) == dict(errors)
    assert result.worst is not None


def test_a_failure_is_told_with_its_log(tmp_path: Path) -> None:
    error = ToolchainError("it died", why="of this", todo="mend it", log="log.txt")
    result = run_own(Own(error), "plain", "float", 1e-3, tmp_path)
    assert (result.state, result.cause) == ("fails", "it died: of this")
    assert (result.remedy, result.log) == ("mend it", "log.txt")
    assert run_own(Own(error), "plain", "int8", 1e-3, tmp_path).state == "not on this chip"


def test_the_doctor_takes_these_and_no_onnx_ones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    backend = Own({"map": 0.0})
    monkeypatch.setattr(doctor, "get_backend", lambda target: backend)
    health = examine_target("onnxruntime/cpu", tmp_path)
    assert [(one.control, one.precision, one.state) for one in health.results] == [
        ("plain", "float", "ok"),
        ("fancy", "float", "ok"),
    ]
    assert health.in_order
    assert not health.not_run
    with pytest.raises(UserError, match="no control model 'resize'") as failure:
        examine_target("onnxruntime/cpu", tmp_path, controls=("resize",))
    assert failure.value.todo == "known: plain, fancy"


def test_it_says_who_is_to_blame() -> None:
    backend = Own(ToolchainError("it died"))
    note = blame_note(backend, "picodet", "float", Quiet())
    assert backend.asked == ["plain"]
    assert note.severity == Severity.WARNING
    assert "control model plain fails in float too (it died), so the toolchain is to blame" in note.message
    right = blame_note(Own({"map": 0.0}), "picodet", "float", Quiet())
    assert "the cause lies in this model" in right.message
