"""Which Paddle reads a model, for which target; and what an ONNX model has of it: nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from edgewright.errors import UserError
from edgewright.targets.registry import get_backend
from edgewright.toolchains.environments import ToolchainMissing
from edgewright.workflow.given import check_plans, check_source, is_bundle
from edgewright.workflow.progress import Quiet
from edgewright.workflow.recipe import Recipe, load_recipe, make_recipe
from edgewright.workflow.run_dir import RunDir
from edgewright.workflow.sourced import Sourced, export_version, source_key, source_stage, target_of
from tests.cli.zoo import detector
from tests.sources.exports import write_export


def recipe(path: Path, target: str = "onnxruntime/cpu", **model: Any) -> Recipe:
    return make_recipe({"model": {"path": str(path), **model}, "data": {"images": ""}, "target": target})


@pytest.mark.parametrize(
    ("suffix", "target", "asked", "version", "completed"),
    [
        (".pdmodel", "onnxruntime/cpu", None, "2.6.2", "onnxruntime/cpu"),
        (".json", "onnxruntime/cpu", None, "3.3.1", "onnxruntime/cpu"),
        (".pdmodel", "onnxruntime/cpu", "3.3.1", "3.3.1", "onnxruntime/cpu"),
        (".pdmodel", "paddle/cpu", None, "2.6.2", "paddle/cpu==2.6.2"),
        (".json", "paddle/cpu", None, "3.3.1", "paddle/cpu==3.3.1"),
        (".json", "paddle/cpu==3.0.0rc1", None, "3.0.0rc1", "paddle/cpu==3.0.0rc1"),
        (".pdmodel", "paddle/cpu==3.3.1", "2.6.2", "2.6.2", "paddle/cpu==3.3.1"),
        (".pdmodel", "sophgo/bm1684==1.6", None, "2.6.2", "sophgo/bm1684==1.6"),
    ],
)
def test_the_version_that_reads_and_the_version_that_runs(
    tmp_path: Path, suffix: str, target: str, asked: str | None, version: str, completed: str
) -> None:
    said = recipe(write_export(tmp_path / "export", suffix), target, paddle=asked)
    assert (export_version(said), target_of(said)) == (version, completed)


def test_a_target_that_cannot_read_the_program(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"2\.6\.2 cannot read"):
        export_version(recipe(write_export(tmp_path, ".json"), "paddle/cpu==2.6.2"))


def test_onnx_stays_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "m.onnx"
    path.write_bytes(detector().data)
    said = recipe(path)
    assert (export_version(said), source_key(said), target_of(said)) == (None, {}, "onnxruntime/cpu")
    with RunDir.open(tmp_path / "run") as run:
        assert source_stage(run, said, {}, 13, Quiet()) == Sourced(path)
        assert run.times == []


def test_the_environment_is_part_of_every_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGEWRIGHT_CACHE", str(tmp_path / "cache"))
    with pytest.raises(ToolchainMissing, match=r"Paddle 2\.6\.2 is not installed"):
        source_key(recipe(write_export(tmp_path / "export")))


def test_who_builds_from_source_and_who_does_not(tmp_path: Path) -> None:
    export, onnx = write_export(tmp_path / "export"), tmp_path / "m.onnx"
    onnx.write_bytes(detector().data)
    for path, target in ((export, "paddle/cpu"), (export, "onnxruntime/cpu"), (onnx, "onnxruntime/cpu")):
        check_source(target, get_backend(target), path)
    with pytest.raises(UserError, match="paddle/cpu runs models of paddle"):
        check_source("paddle/cpu", get_backend("paddle/cpu"), onnx)
    check_plans("onnxruntime/cpu", get_backend("onnxruntime/cpu"))
    with pytest.raises(UserError, match="takes no precision plan"):
        check_plans("paddle/cpu", get_backend("paddle/cpu"))
    assert not is_bundle(export)
    assert is_bundle(tmp_path)


def test_a_recipe_keeps_the_folder_and_the_version(tmp_path: Path) -> None:
    model = {"path": str(write_export(tmp_path / "models" / "picodet")), "paddle": "3.3.1"}
    said = make_recipe({"model": model, "data": {"images": str(tmp_path)}})
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "recipe.toml").write_text(said.to_toml(tmp_path / "run"), encoding="utf-8")
    again = load_recipe(tmp_path / "run" / "recipe.toml")
    assert Path(again.model.path).resolve() == tmp_path / "models" / "picodet"
    assert again.model.paddle == "3.3.1"
