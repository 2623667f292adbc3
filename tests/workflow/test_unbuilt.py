"""A candidate on which the toolchain fails is no repair, and no end of the search either."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from edgewright.errors import ToolchainError
from edgewright.graph.model import Model
from edgewright.targets.artifact import Artifact
from edgewright.targets.onnxruntime.backend import OnnxRuntimeBackend
from tests.cli import zoo
from tests.workflow.repairs import Job


class FailsOnRewritten(OnnxRuntimeBackend):
    """Its compiler takes the user's graph only: whatever has other ops or other outputs kills it."""

    def __init__(self, model: Model) -> None:
        super().__init__("cpu")
        self._known = sorted(node.op_type for node in model.ir.graph)
        self.failures = 0

    def build(self, model: Model, plan: Any, folder: Path, samples: Any = None) -> Artifact:
        if sorted(node.op_type for node in model.ir.graph) != self._known:
            self.failures += 1
            raise ToolchainError("acme failed at 'compile': signal 11", why="the last words")
        return super().build(model, plan, folder, samples)


def test_the_search_goes_on_where_a_candidate_cannot_be_built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = zoo.detector(wide=True)
    backend = FailsOnRewritten(model)
    monkeypatch.setattr("edgewright.workflow.deploy.get_backend", lambda target: backend)
    job = Job(tmp_path, model)
    run = job.run(repair={"allow": ["cut", "16bit"]})
    assert backend.failures
    assert run.verdict == "passed", "16 bits need no other graph"
    told = [finding for finding in run.findings if finding.code == "EW606"]
    assert told
    assert all("signal 11" in finding.evidence["error"] for finding in told)
    names = {row.name for row in run.table}
    assert not names & {finding.where for finding in told}, "what was not built has no row"
    failed = [entry for entry in job.journal()["entries"] if (entry["confirmation"] or {}).get("failed")]
    assert {entry["name"] for entry in failed} == {finding.where for finding in told}
    assert all(not entry["confirmation"]["passed"] for entry in failed)
    again = job.run(repair={"allow": ["cut", "16bit"]})
    assert [row.name for row in again.table] == [row.name for row in run.table]


def test_where_nothing_can_be_built_the_account_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = zoo.detector(wide=True)
    monkeypatch.setattr("edgewright.workflow.deploy.get_backend", lambda target: FailsOnRewritten(model))
    run = Job(tmp_path, model).run(repair={"allow": ["cut"]})
    assert run.verdict == "failed"
    codes = {finding.code for finding in run.findings}
    assert {"EW605", "EW606"} <= codes
