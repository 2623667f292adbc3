"""A target whose exact simulation takes seconds an image: figures of such a variant rest on some of the images."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import edgewright as ew
from edgewright.graph.model import Model
from edgewright.targets.artifact import Artifact
from edgewright.targets.onnxruntime.backend import OnnxRuntimeBackend

DEMO = Path(__file__).resolve().parents[2] / "demo"


class Slow(OnnxRuntimeBackend):
    """ONNX Runtime whose int8 builds may be run on two images only; it keeps count."""

    def __init__(self) -> None:
        super().__init__("cpu")
        self.runs: dict[str, int] = {}

    def build(self, model: Model, plan: Any, folder: Path, samples: Any = None) -> Artifact:
        built = super().build(model, plan, folder, samples)
        more = {} if plan is None else {"most_images": 2, "ran_on": "the chip's own file"}
        return replace(built, read_back={**built.read_back, **more})

    def open(self, artifact: Artifact) -> Any:
        session = super().open(artifact)
        runs = self.runs
        run_many = session.run_many

        def counted(feeds: Any) -> Iterator[Any]:
            for outputs in run_many(feeds):
                runs[artifact.precision] = runs.get(artifact.precision, 0) + 1
                yield outputs

        monkeyed: Any = session
        monkeyed.run_many = counted
        return monkeyed


def test_reference_and_variant_are_compared_on_the_same_few_images(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "images").mkdir()
    for path in sorted((DEMO / "images" / "evaluation").iterdir())[:5]:
        (tmp_path / "images" / path.name).write_bytes(path.read_bytes())
    backend = Slow()
    monkeypatch.setattr("edgewright.workflow.deploy.get_backend", lambda target: backend)
    run = ew.deploy(
        DEMO / "detector.onnx",
        images=tmp_path / "images",
        labels=DEMO / "labels.json",
        calibration=DEMO / "images" / "calibration",
        repair=False,
        out=tmp_path / "run",
    )
    exact, narrow = run.report.variants
    assert exact.metric is not None
    assert narrow.metric is not None
    assert (exact.metric.images, narrow.metric.images) == (5, 2)
    assert backend.runs == {"float": 5, "int8": 2}
    assert narrow.ran_on == "the chip's own file, 2 of 5 images"
    assert "2 of 5" not in exact.ran_on
    pictures = (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    assert "the chip&#39;s own file, 2 of 5 images" in pictures or "2 of 5 images" in pictures
