"""A target whose toolchain tells the time: what a repair takes is compared with the float artifact."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from edgewright.graph.model import Model
from edgewright.targets.artifact import Artifact
from edgewright.targets.backend import Capabilities
from edgewright.targets.onnxruntime.backend import OnnxRuntimeBackend
from tests.cli import zoo
from tests.workflow.repairs import Job


class Estimating(OnnxRuntimeBackend):
    """ONNX Runtime with a compiler that says 2 ms for float and `quantised` for what has a plan; None: nothing."""

    def __init__(self, quantised: float | None) -> None:
        super().__init__("cpu")
        self.quantised = quantised

    def capabilities(self) -> Capabilities:
        return replace(super().capabilities(), latency="estimated")

    def build(self, model: Model, plan: Any, folder: Path, samples: Any = None) -> Artifact:
        built = super().build(model, plan, folder, samples)
        told = 2.0 if plan is None else self.quantised
        figure = {} if told is None else {"latency_ms": {"value": told, "source": "a model of the chip"}}
        return replace(built, read_back={**built.read_back, **figure})


@pytest.mark.parametrize(("quantised", "beside_float"), [(3.0, 1.5), (1.0, 0.5), (None, None)])
def test_what_takes_longer_than_float_is_told(
    quantised: float | None, beside_float: float | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edgewright.workflow.deploy.get_backend", lambda target: Estimating(quantised))
    job = Job(tmp_path, zoo.detector(wide=True))
    run = job.run()
    assert run.verdict == "passed"
    confirmed = [entry["confirmation"] for entry in job.journal()["entries"] if entry["confirmation"]]
    assert confirmed
    assert {confirmation["beside_float"] for confirmation in confirmed[1:]} == {beside_float}
    slow = [finding for finding in run.findings if finding.code == "EW501"]
    assert bool(slow) == (quantised == 3.0)
    if slow:
        assert "estimated: a model of the chip" in slow[-1].message
        assert slow[-1].where == run.report.variants[-1].name
