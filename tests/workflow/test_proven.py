"""The ways in which a framework is asked, without one: what is the reference, what is said of those that fail."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from edgewright.graph.origin import Origin
from edgewright.toolchains.causes import Cause
from edgewright.toolchains.deaths import Death, WorkerFailed
from edgewright.workflow import proven

ORIGIN = Origin("paddle", "2.6.2", Path("p"), Path("w"), ("image",), ("theirs",), {"scale_factor": np.ones((1, 2))})
SAMPLES = [{"image": np.full((1, 1), value), **ORIGIN.constants} for value in (1.0, 2.0)]


def died(folder: Path, message: str = "", cause: Cause | None = None, kind: Any = "signal") -> WorkerFailed:
    folder.mkdir(exist_ok=True)
    log = folder / "log.txt"
    log.write_text("the log", encoding="utf-8")
    return WorkerFailed("Paddle failed", Death(kind, "a crash", error={"message": message}, cause=cause), log=log)


def ways(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: Callable[..., Any], batch: bool = True
) -> proven.Ways:
    def run(program: Path, weights: Path, samples: Any, *, version: str, options: Any, folder: Path) -> Any:
        found = answer(options, folder)
        if isinstance(found, WorkerFailed):
            raise found
        outputs: list[Mapping[str, Any]] = [{"theirs": sample["image"] * found} for sample in samples]
        return SimpleNamespace(outputs=outputs, differences={"theirs": 0.0} if options.twice else {})

    monkeypatch.setattr(proven, "run_inference", run)
    return proven._ways(tmp_path, ORIGIN, SAMPLES, ["mine"], batch, lambda: None)


def test_all_ways_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = ways(tmp_path, monkeypatch, lambda options, _: {"off": 1.0, "on": 3.0}[options.onednn] * options.batch)
    assert list(found.outputs) == ["oneDNN off", "oneDNN on", "oneDNN off, two images at once"]
    assert found.reference == "oneDNN off"
    assert [outputs[1]["mine"].tolist() for outputs in found.outputs.values()] == [[[2.0]], [[6.0]], [[4.0]]]
    assert (found.failures, found.untried, found.repeated) == ({}, {}, {})


def test_a_fixed_batch_is_not_tried_with_two(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert len(ways(tmp_path, monkeypatch, lambda options, _: 1.0, batch=False).outputs) == 2


def test_what_cannot_be_divided_says_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said = "output 'x' has shape [600, 6] for a batch of 2: it cannot be divided by sample"
    found = ways(tmp_path, monkeypatch, lambda options, at: died(at, said) if options.batch == 2 else 1.0)
    assert list(found.untried) == ["oneDNN off, two images at once"]
    assert found.failures == {}


def test_the_way_that_runs_is_the_reference(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cause = Cause("rule", "The op has no kernel.", "use another version", "", "a line")
    found = ways(tmp_path, monkeypatch, lambda options, at: 1.0 if options.onednn == "on" else died(at, cause=cause))
    assert found.reference == "oneDNN on"
    assert found.failures["oneDNN off"] == "a crash. The op has no kernel."


def test_a_message_whose_cause_is_known_is_not_repeated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cause = Cause("rule", "The op has no kernel.", "use another version", "", "a line")
    found = ways(
        tmp_path,
        monkeypatch,
        lambda options, at: 1.0 if options.onednn == "off" else died(at, "long", cause, "exception"),
    )
    assert found.failures["oneDNN on"] == "The op has no kernel."


def test_where_only_one_way_runs_another_one_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Or a model that turns rounding into another answer would be held against the conversion."""

    def answer(options: Any, at: Path) -> Any:
        return died(at) if options.onednn == "on" else 2.0 if options.ir_optim is False else 1.0

    found = ways(tmp_path, monkeypatch, answer, batch=False)
    assert list(found.outputs) == ["oneDNN off", "oneDNN off, the program not optimised"]
    assert [outputs[0]["mine"].tolist() for outputs in found.outputs.values()] == [[[1.0]], [[2.0]]]
    alone = ways(
        tmp_path,
        monkeypatch,
        lambda options, at: 1.0 if options.onednn == "off" and options.ir_optim is None else died(at),
        batch=False,
    )
    assert (list(alone.outputs), len(alone.failures)) == (["oneDNN off"], 2)


def test_an_export_that_runs_in_no_way_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proven, "with_remedies", lambda error, *_: error)  # which asks other versions
    with pytest.raises(WorkerFailed) as caught:
        ways(tmp_path, monkeypatch, lambda options, at: died(at))
    assert "it was tried with oneDNN off, oneDNN on" in caught.value.why
