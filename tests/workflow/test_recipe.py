"""Recipes: what a deploy was told, written and read back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from edgewright.errors import UserError
from edgewright.workflow.recipe import load_recipe, make_recipe

BASE: dict[str, Any] = {"model": {"path": "m.onnx"}, "data": {"images": "val"}}


def test_round_trip_from_another_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "work").mkdir()
    (tmp_path / "runs").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    recipe = make_recipe(
        {
            "model": {"path": "models/m.onnx", "input_shapes": {"x.1": [1, 3, 64, 96]}, "task": "yolox"},
            "data": {"images": "val", "labels": "val.json"},
            "precision": ["int8", "float"],
            "contract": {"colour": "BGR", "mean": [1, 2, 3]},
            "quantise": {"observer": "mse"},
            "verify": {"max_drop": 0.5},
        }
    )
    file = tmp_path / "runs" / "recipe.toml"
    file.write_text(recipe.to_toml(file.parent), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    again = load_recipe(file)
    assert Path(again.model.path).resolve() == (tmp_path / "work" / "models" / "m.onnx").resolve()
    assert Path(again.data.labels or "").resolve() == (tmp_path / "work" / "val.json").resolve()
    paths = {"model": {"path"}, "data": {"images", "labels"}}
    assert again.model_dump(exclude=paths) == recipe.model_dump(exclude=paths)


def test_flags_overrule_the_file(tmp_path: Path) -> None:
    file = tmp_path / "r.toml"
    file.write_text(make_recipe(BASE).to_toml(tmp_path), encoding="utf-8")
    changed = load_recipe(file, {"verify": {"max_drop": 2.0}, "target": "x/y", "precision": None})
    assert changed.verify.max_drop == 2.0
    assert changed.verify.repair
    assert changed.target == "x/y"
    assert changed.precision == ("int8",)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({**BASE, "precision": ["int4"]}, "precision"),
        ({**BASE, "verify": {"max_drop": -1}}, "max_drop"),
        ({**BASE, "quantise": {"observr": "mse"}}, "observr"),
        ({"data": {"images": "x"}}, "model"),
    ],
)
def test_wrong_data_names_the_key(data: dict[str, Any], words: str) -> None:
    with pytest.raises(UserError) as caught:
        make_recipe(data)
    assert words in caught.value.why


def test_bad_files(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot read"):
        load_recipe(tmp_path / "none.toml")
    (tmp_path / "bad.toml").write_text("a = = 1", encoding="utf-8")
    with pytest.raises(UserError, match="not valid TOML"):
        load_recipe(tmp_path / "bad.toml")
    (tmp_path / "bytes.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UserError, match="not valid TOML"):
        load_recipe(tmp_path / "bytes.toml")


@pytest.mark.parametrize(
    ("target", "precision"),
    [
        ("onnxruntime/cpu", ("int8",)),
        ("rockchip/rv1106", ("int8",)),
        ("rockchip/rk2118", ("float",)),
        ("paddle/cpu", ("float",)),
        ("paddlelite/x86", ("float",)),  # its int8 is a way of storing weights
        ("no/such", ("int8",)),  # told where the target is opened
    ],
)
def test_without_a_precision_the_target_says_which(target: str, precision: tuple[str, ...]) -> None:
    assert make_recipe({**BASE, "target": target}).precision == precision
    assert make_recipe({**BASE, "target": target, "precision": ["int16"]}).precision == ("int16",)
