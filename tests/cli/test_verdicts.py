"""What the verdict rests on: labels that fit, observers that are tried, labels that changed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.cli import zoo
from tests.cli.conftest import Cli

DEPLOY = ("deploy", "m.onnx", "--images", "val", "--calibration", "cal")


def codes(data: dict[str, Any]) -> dict[str, str]:
    return {finding["code"]: finding["severity"] for finding in data["findings"]}


def moved_labels(to: str) -> None:
    """Labels whose boxes lie where nothing is."""
    data = json.loads(Path("val.json").read_text(encoding="utf-8"))
    for annotation in data["annotations"]:
        annotation["bbox"] = [0.0, 0.0, 1.5, 1.5]
        annotation["area"] = 2.25
    Path(to).write_text(json.dumps(data), encoding="utf-8")


def test_a_float_model_that_does_not_fit_the_labels_passes_nothing(cli: Cli) -> None:
    moved_labels("wrong.json")
    answer = cli(*DEPLOY, "--labels", "wrong.json", "--precision", "int8", "--json")
    assert answer.status == 1, "a drop of 0 from an AP of 0 proves nothing"
    assert answer.data["verdict"] == "failed"
    assert answer.data["bundle"] is None
    assert codes(answer.data)["EW211"] == "error"
    assert [row["name"] for row in answer.data["variants"]] == ["float", "int8"], "repairing is pointless"
    assert {row["verdict"] for row in answer.data["variants"]} == {"failed"}


def plan_after_repair(cli: Cli, *words: str) -> Any:
    """The plan that ships when only the graph may be mended."""
    wide = cli.save("wide.onnx", zoo.detector(wide=True))
    answer = cli("deploy", wide, *DEPLOY[2:], "--labels", "val.json", "--allow", "cut", "--json", *words)
    assert answer.status == 0
    assert [row["verdict"] for row in answer.data["variants"]] == ["reference", "failed", "passed"]
    bundle = Path(answer.data["bundle"])
    manifest = json.loads((bundle / "manifest.json").read_text(encoding="utf-8"))
    return json.loads((bundle / manifest["plan"]).read_text(encoding="utf-8"))


def test_an_observer_that_was_asked_for_is_the_one_of_the_repair(cli: Cli) -> None:
    usual = plan_after_repair(cli)
    assert plan_after_repair(cli, "--observer", "minmax") == usual
    asked = plan_after_repair(cli, "--observer", "entropy")
    assert asked["ops"] == usual["ops"]
    assert asked["activations"] != usual["activations"]


def test_labels_found_beside_the_images_count_by_what_they_say(cli: Cli) -> None:
    """The loader looks for labels and class names in several places; a change in any of them is seen."""
    data = json.loads(Path("val.json").read_text(encoding="utf-8"))
    root = Path("set")
    (root / "labels").mkdir(parents=True)
    Path("val").rename(root / "images")
    for image in data["images"]:
        lines = []
        for annotation in data["annotations"]:
            if annotation["image_id"] == image["id"]:
                x, y, w, h = annotation["bbox"]
                wide, high = image["width"], image["height"]
                centre = f"{(x + w / 2) / wide} {(y + h / 2) / high} {w / wide} {h / high}"
                lines.append(f"{annotation['category_id'] - min(c['id'] for c in data['categories'])} {centre}")
        (root / "labels" / f"{Path(image['file_name']).stem}.txt").write_text("\n".join(lines), encoding="utf-8")
    words = ("deploy", "m.onnx", "--images", "set/images", "--labels", "set/images", "--calibration", "cal", "--json")
    first = cli(*words).data["variants"][0]["value"]
    file = next(file for file in sorted((root / "labels").iterdir()) if file.read_text(encoding="utf-8"))
    file.write_text("0 0.05 0.05 0.04 0.04", encoding="utf-8")
    assert cli(*words).data["variants"][0]["value"] < first
