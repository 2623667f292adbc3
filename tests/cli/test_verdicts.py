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


def test_other_observers_are_tried_only_where_none_was_asked_for(cli: Cli) -> None:
    wide = cli.save("wide.onnx", zoo.detector(wide=True))
    words = ("deploy", wide, *DEPLOY[2:], "--labels", "val.json", "--max-drop", "0", "--json")
    asked = cli(*words, "--observer", "entropy")
    names = [row["name"] for row in asked.data["variants"]]
    assert names == ["float", "int8", "int8, decode tail in float"]
    tried = [row["name"] for row in cli(*words).data["variants"]]
    assert tried[:3] == names
    assert tried[3:] in (
        [],
        ["int8, decode tail in float, mse:4"],
        [f"int8, decode tail in float, {o}" for o in ("mse:4", "entropy")],
    )


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
