"""Builds that differ in their plan only share the toolkit's first step."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from edgewright.errors import UserError
from edgewright.targets.rockchip import first_step
from edgewright.targets.rockchip.first_step import FirstStep
from edgewright.targets.rockchip.plan import Prepared
from edgewright.targets.rockchip.tool import Tool
from tests.helpers import model_from_text
from tests.targets.rockchip.graphs import images, samples, silu_model


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Folders in which the toolkit was asked; it leaves files that tell them apart."""
    found: list[Path] = []

    def prepare(tool: Any, model: Any, folder: Path, samples: Any) -> Prepared:
        assert len(list(samples(8))) == 4
        found.append(folder)
        folder.mkdir()
        for name in ("fused.onnx", "state.json"):
            (folder / name).write_text(f"{name} {len(found)}")
        return Prepared((), {"t": {"number": len(found)}}, {})

    monkeypatch.setattr(first_step, "prepare", prepare)
    return found


def test_the_same_model_and_images_are_prepared_once(tmp_path: Path, calls: list[Path]) -> None:
    step = FirstStep(Tool("rk3588", "2.3.2"))
    first = step.prepare(silu_model(), tmp_path / "first", samples)
    second = step.prepare(silu_model(), tmp_path / "second", samples)
    assert calls == [tmp_path / "first"]
    assert first == second
    for name in ("fused.onnx", "state.json"):
        assert (tmp_path / "second" / name).read_text() == f"{name} 1"


def test_another_model_or_other_images_are_prepared_again(tmp_path: Path, calls: list[Path]) -> None:
    step = FirstStep(Tool("rk3588", "2.3.2"))
    step.prepare(silu_model(), tmp_path / "first", samples)
    other = model_from_text(
        '<ir_version: 8, opset_import: ["" : 13]> g (float[1,3,16,16] x) => (float[1,3,16,16] y) { y = Relu (x) }'
    )
    step.prepare(other, tmp_path / "model", samples)
    brighter = [{"x": feeds["x"] + 1} for feeds in images()]
    step.prepare(other, tmp_path / "images", lambda count: brighter[:count])
    assert calls == [tmp_path / name for name in ("first", "model", "images")]
    assert (tmp_path / "images" / "fused.onnx").read_text() == "fused.onnx 3"


def test_large_files_are_not_kept(tmp_path: Path, calls: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(first_step, "_MOST_BYTES", 10)
    step = FirstStep(Tool("rk3588", "2.3.2"))
    step.prepare(silu_model(), tmp_path / "first", samples)
    step.prepare(silu_model(), tmp_path / "second", samples)
    assert len(calls) == 2


def test_images_are_needed(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="needs calibration images"):
        FirstStep(Tool("rk3588", "2.3.2")).prepare(silu_model(), tmp_path, None)
