"""Deploys that go well, or fail as they should: what they leave, reuse, and do again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from edgewright.report.summary import summary_schema
from tests.cli import zoo
from tests.cli.conftest import Cli
from tests.report.test_summary import problems

DEPLOY = ("deploy", "m.onnx", "--images", "val", "--labels", "val.json", "--calibration", "cal")
REUSED = "Nothing changed since the last run"


def stages(run: str = "r") -> set[str]:
    return {path.name for path in Path(run, "stages").iterdir()}


def figures(data: dict[str, Any]) -> list[tuple[Any, ...]]:
    keys = ("name", "metric", "value", "drop", "images", "verdict")
    return [tuple(variant[key] for key in keys) for variant in data["variants"]]


def test_json_keeps_to_its_schema_and_names_what_is_there(cli: Cli) -> None:
    answer = cli(*DEPLOY, "--out", "r", "--json")
    assert answer.status == 0
    assert answer.err == ""
    assert problems(answer.data, summary_schema()) == []
    assert answer.data["verdict"] == "passed"
    assert answer.data["variants"][0]["value"] == 100.0, "the float model finds every square"
    for key, inside in (("bundle", "manifest.json"), ("run_dir", "recipe.toml"), ("report", "")):
        assert (Path(answer.data[key]) / inside).exists()
    failed = cli(*DEPLOY[:1], cli.save("w.onnx", zoo.detector(wide=True)), *DEPLOY[2:], "--no-repair", "--json")
    assert failed.status == 1
    assert problems(failed.data, summary_schema()) == []
    error = cli("deploy", "no.onnx", "--images", "val", "--json")
    assert problems(error.data, summary_schema()) == []


def test_the_same_again_is_reused(cli: Cli) -> None:
    first = cli(*DEPLOY, "--out", "r")
    assert first.status == 0
    assert REUSED not in first.out
    assert first.out.rstrip().splitlines()[-1].startswith("PASSED  onnxruntime/cpu  in ")
    before = {path: time for path, time in cli.tree().items() if not path.endswith(".lock")}
    second = cli(*DEPLOY, "--out", "r")
    assert second.status == 0
    assert REUSED in second.out
    assert {path: time for path, time in cli.tree().items() if not path.endswith(".lock")} == before
    assert second.out.splitlines()[:4] == first.out.splitlines()[:4], "the table is the same"


@pytest.mark.parametrize(
    ("change", "again", "kept"),
    [
        ("image", ("result", "measure-float", "measure-int8"), ("calibrate", "build-int8")),
        ("calibration image", ("result", "calibrate"), ("prepare", "build-float", "measure-float")),
        ("label", ("result", "measure-float", "measure-int8"), ("prepare", "calibrate", "build-int8")),
        ("flag", ("result", "calibrate", "build-int8"), ("prepare", "build-float", "measure-float")),
        ("model", ("result", "prepare", "build-float", "measure-float", "calibrate"), ()),
    ],
)
def test_a_change_runs_what_depends_on_it(cli: Cli, change: str, again: tuple[str, ...], kept: tuple[str, ...]) -> None:
    words = (*DEPLOY, "--observer", "percentile")
    assert cli(*words, "--out", "r").status == 0
    before = stages()
    if change == "image":  # the last: preparation is verified on the first ones
        (cli.folder / "val" / "0-005.png").write_bytes((cli.folder / "val" / "0-004.png").read_bytes())
    elif change == "calibration image":
        (cli.folder / "cal" / "1-003.png").write_bytes((cli.folder / "val" / "0-004.png").read_bytes())
    elif change == "label":
        data = json.loads((cli.folder / "val.json").read_text(encoding="utf-8"))
        data["annotations"][0]["bbox"][2] += 1
        cli.save("val.json", json.dumps(data))
    elif change == "model":
        cli.save("m.onnx", zoo.detector(wide=True))
    else:
        words = (*DEPLOY, "--observer", "minmax", "--per-tensor")
    answer = cli(*words, "--out", "r")
    assert answer.status == 0
    assert REUSED not in answer.out
    new = {name.rpartition("-")[0] for name in stages() - before}
    assert new >= set(again)
    assert not new & set(kept)


def test_a_recipe_does_it_again(cli: Cli) -> None:
    first = cli(*DEPLOY, "--max-drop", "50", "--observer", "minmax", "--out", "r", "--json")
    second = cli("deploy", "--recipe", "r/recipe.toml", "--out", "s", "--json")
    assert second.status == first.status == 0
    assert figures(second.data) == figures(first.data)
    assert second.data["verdict"] == first.data["verdict"]
    assert Path("s/recipe.toml").read_text() == Path("r/recipe.toml").read_text()
    strict = cli("deploy", "--recipe", "r/recipe.toml", "--precision", "float", "--out", "t", "--json")
    assert figures(strict.data) == figures(first.data)[:1]


def test_the_bundle_runs_and_compares(cli: Cli, bundle: Path) -> None:
    answer = cli("run", bundle, "val", "--json")
    assert answer.status == 0
    found = {entry["image"]: sorted(one["name"] for one in entry["detections"]) for entry in answer.data["images"]}
    labels = json.loads((cli.folder / "val.json").read_text(encoding="utf-8"))
    names = {entry["id"]: entry["name"] for entry in labels["categories"]}
    expected = {entry["file_name"]: [] for entry in labels["images"]}
    files = {entry["id"]: entry["file_name"] for entry in labels["images"]}
    for entry in labels["annotations"]:
        expected[files[entry["image_id"]]].append(names[entry["category_id"]])
    assert found == {name: sorted(entries) for name, entries in expected.items()}
    shown = cli("inspect", bundle, "--json").data
    assert shown["kind"] == "bundle"
    assert shown["names"] == ["red", "green", "blue"]
    compared = cli("compare", "m.onnx", bundle, "--images", "val", "--labels", "val.json", "--json")
    assert compared.status == 0
    assert compared.data["metrics"]["b"]["value"] > 95
    drawn = cli("run", bundle, "val/0-000.png", "--save", "drawn")
    assert drawn.out.rstrip().splitlines()[-1].startswith("PASSED  onnxruntime/cpu  1 image  in ")
    assert (cli.folder / "drawn" / "0-000.png.png").is_file()


def test_without_labels_agreement_is_measured(cli: Cli) -> None:
    answer = cli("deploy", "m.onnx", "--images", "val", "--calibration", "cal", "--json")
    assert answer.status == 0
    assert answer.data["variants"][0]["metric"] == "agreement AP"
    assert "EW208" in [finding["code"] for finding in answer.data["findings"]]
    assert answer.data["run_dir"] == "runs/m-cpu"


def test_images_are_split_where_no_calibration_is_given(cli: Cli) -> None:
    answer = cli("deploy", "m.onnx", "--images", "val", "--json")
    assert answer.status == 0
    assert answer.data["variants"][0]["images"] == 3
    assert "EW209" in [finding["code"] for finding in answer.data["findings"]]


def test_repair_mends_what_falls_short(cli: Cli) -> None:
    wide = ("deploy", cli.save("w.onnx", zoo.detector(wide=True)), *DEPLOY[2:], "--json")
    mended = cli(*wide, "--out", "r")
    assert mended.status == 0
    verdicts = [variant["verdict"] for variant in mended.data["variants"]]
    assert (verdicts[:2], verdicts[-1]) == (["reference", "failed"], "passed")
    shipped = mended.data["variants"][-1]["name"]
    assert json.loads(Path("r/bundle/manifest.json").read_text())["variant"] == shipped
    assert shipped.startswith("int8, ")
    assert " in 16 bits" not in shipped, "what costs nothing at run time comes first"
    assert " in float" not in shipped
    found = {finding["where"]: finding for finding in mended.data["findings"] if finding["code"] == "EW604"}
    assert found, "what was done is told"
    compared = cli("compare", "w.onnx", "r/bundle", "--images", "val", "--labels", "val.json", "--json")
    assert compared.status == 0
    values = [metric["value"] for metric in compared.data["metrics"].values()]
    assert len(values) == 2
    assert min(values) > 95, "the bundle does on the host what left the artifact"
    plain = cli(*wide, "--no-repair", "--out", "r")
    assert plain.status == 1
    assert len(plain.data["variants"]) == 2
    assert plain.data["bundle"] is None
    assert not Path("r/bundle").exists(), "the bundle of the run before must not outlive a run that failed"
    both = cli(*wide, "--no-repair", "--precision", "int8,float", "--out", "r")
    assert both.status == 0
    assert json.loads(Path("r/bundle/manifest.json").read_text())["variant"] == "float"


def test_float_alone(cli: Cli) -> None:
    answer = cli("deploy", "m.onnx", "--images", "val", "--precision", "float", "--json")
    assert answer.status == 0
    assert [variant["name"] for variant in answer.data["variants"]] == ["float"]


def test_an_older_bundle_that_was_altered_is_made_again(cli: Cli) -> None:
    assert cli(*DEPLOY, "--out", "r").status == 0
    Path("r/bundle/README.txt").write_text("changed")
    answer = cli(*DEPLOY, "--out", "r")
    assert answer.status == 0
    assert REUSED not in answer.out
    assert cli("inspect", "r/bundle").status == 0
