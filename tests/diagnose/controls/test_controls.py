"""Control models on ONNX Runtime, whole and with a backend that spoils what it builds."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgewright.diagnose.controls import CONTROLS, Control, control_for, pictures, run_control
from edgewright.errors import ToolchainError, UserError
from edgewright.graph.reference import ReferenceSession
from edgewright.targets.onnxruntime.backend import OnnxRuntimeBackend
from edgewright.tasks.base import FAMILIES

ALL = pytest.mark.parametrize("control", CONTROLS, ids=lambda control: control.name)
Outputs = dict[str, np.ndarray]


class Spoiled(OnnxRuntimeBackend):
    """ONNX Runtime with outputs that are changed, or a build that fails."""

    def __init__(self, spoil: Callable[[Outputs], Outputs] | Exception) -> None:
        super().__init__("cpu")
        self._spoil = spoil

    def build(self, *arguments: Any, **more: Any) -> Any:
        if isinstance(self._spoil, Exception):
            raise self._spoil
        return super().build(*arguments, **more)

    def open(self, artifact: Any) -> Any:
        session = super().open(artifact)
        spoil = self._spoil
        assert not isinstance(spoil, Exception)

        class Session:
            ran_on = session.ran_on

            def run_many(self, feeds: Any) -> Any:
                return (spoil(outputs) for outputs in session.run_many(feeds))

            def __exit__(self, *error: object) -> None:
                session.__exit__(None, None, None)

        return Session()


def cpu() -> OnnxRuntimeBackend:
    return OnnxRuntimeBackend("cpu")


@ALL
def test_a_control_is_the_same_every_time_and_its_tensors_stay_around_one(control: Control) -> None:
    model = control.build()
    assert model.data == control.build().data
    assert {part.output for part in control.parts} == {spec.name for spec in model.outputs}
    assert all(spec.is_static for spec in (*model.inputs, *model.outputs))
    made = [value for node in model.ir.graph for value in node.outputs]
    shown = model.clone()
    outputs = {value.name for value in shown.graph.outputs}
    shown.graph.outputs.extend(
        value for node in shown.graph for value in node.outputs if value.name not in outputs and node.op_type == "Conv"
    )
    session = ReferenceSession(type(model)(shown).data)
    first, second = session.run_many(pictures(model, 2, seed=5))
    assert len(made) > 10
    for name, values in first.items():
        assert 0.003 < values.std() < 120, name  # scores of 65 cells at one end, boxes in pixels at the other
        assert not np.allclose(values, second[name]), f"{name} does not depend on the input"


@ALL
def test_every_control_is_right_on_onnx_runtime(control: Control, tmp_path: Path) -> None:
    result = run_control(cpu(), control, "float", tmp_path)
    assert result.state == "ok", result
    assert set(result.errors) == {part.name for part in control.parts}
    assert result.allowed == dict.fromkeys(result.errors, 1e-3)


@pytest.mark.parametrize("name", ["depthwise-silu", "yolov8-head", "one-channel"])
def test_int8_is_right_within_what_emulation_loses(name: str, tmp_path: Path) -> None:
    result = run_control(cpu(), CONTROLS.get(name), "int8", tmp_path)
    assert result.state == "ok", result
    assert all(0 < error <= 0.1 <= result.allowed[part] for part, error in result.errors.items())


@pytest.mark.parametrize("name", ["picodet-head", "yolov8-head", "one-channel"])
def test_scores_of_one_are_wrong(name: str, tmp_path: Path) -> None:
    backend = Spoiled(lambda outputs: {**outputs, "scores": np.ones_like(outputs["scores"])})
    result = run_control(backend, CONTROLS.get(name), "float", tmp_path)
    assert result.state == "wrong"
    assert result.worst is not None
    assert result.worst[0] == "scores"
    assert all(error == 0.0 for part, error in result.errors.items() if part != "scores")


@pytest.mark.parametrize(
    ("name", "precision"),
    [*((name, "float") for name in CONTROLS.names()), ("picodet-head", "int8"), ("resize", "int8")],
)
def test_answers_that_do_not_depend_on_the_input_are_wrong(name: str, precision: str, tmp_path: Path) -> None:
    fixed: Outputs = {}
    backend = Spoiled(lambda outputs: fixed or fixed.update(outputs) or outputs)
    result = run_control(backend, CONTROLS.get(name), precision, tmp_path)
    assert result.state == "wrong"


def test_what_is_not_finite_or_has_another_form_is_wrong(tmp_path: Path) -> None:
    control = CONTROLS.get("plain-conv")
    spoils: dict[str, tuple[str, Callable[[Outputs], Outputs]]] = {
        "": ("wrong", lambda outputs: {"logits": outputs["logits"] * np.nan}),
        "has shape (1, 9) instead of (1, 10)": ("wrong", lambda outputs: {"logits": outputs["logits"][:, 1:]}),
        "gave no output 'logits'": ("fails", lambda outputs: {"other": outputs["logits"]}),
    }
    for number, (cause, (state, spoil)) in enumerate(spoils.items()):
        result = run_control(Spoiled(spoil), control, "float", tmp_path / str(number))
        assert result.state == state
        assert cause in result.cause
    lost_one = Spoiled(lambda outputs: {"logits": outputs["logits"].reshape(10)})
    assert run_control(lost_one, control, "float", tmp_path / "flat").state == "ok"


def test_a_toolchain_that_dies_is_told_with_its_cause_and_log(tmp_path: Path) -> None:
    error = ToolchainError("the compiler died", why="a segmentation fault", todo="use 1.30", log="/somewhere/log.txt")
    result = run_control(Spoiled(error), CONTROLS.get("resize"), "float", tmp_path)
    assert (result.state, result.cause) == ("fails", "the compiler died: a segmentation fault")
    assert (result.remedy, result.log) == ("use 1.30", "/somewhere/log.txt")
    assert not result.errors
    assert result.worst is None
    refused = run_control(Spoiled(UserError("no such grid")), CONTROLS.get("resize"), "float", tmp_path)
    assert (refused.state, refused.cause) == ("fails", "no such grid")


def test_a_target_that_calibrates_by_itself_gets_pictures(tmp_path: Path) -> None:
    seen = []

    class Calibrating(OnnxRuntimeBackend):
        def build(self, model: Any, plan: Any, folder: Path, samples: Any = None) -> Any:  # type: ignore[override]
            seen.extend(samples(3))
            return OnnxRuntimeBackend("cpu").build(model, plan, folder)

    assert run_control(Calibrating("cpu"), CONTROLS.get("plain-conv"), "float", tmp_path).state == "ok"
    assert [feeds["images"].shape for feeds in seen] == [(1, 3, 64, 64)] * 3


def test_a_precision_that_the_chip_has_not_is_no_fault(tmp_path: Path) -> None:
    result = run_control(cpu(), CONTROLS.get("resize"), "w4a16", tmp_path)
    assert result.state == "not on this chip"
    assert not list(tmp_path.iterdir())


def test_every_head_family_has_a_control() -> None:
    for head in FAMILIES.names():
        control_for(head)
    assert control_for("yolov8").name == "yolov8-head"
    assert control_for("superpoint").name == "one-channel"
    assert control_for("something else").name == "plain-conv"
    named = [head for control in CONTROLS for head in control.heads]
    assert len(named) == len(set(named))
    assert set(named) <= set(FAMILIES.names())
