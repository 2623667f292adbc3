"""Ctrl-C in the middle of a search: the next run goes on from there and finds the same."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from edgewright.workflow.deploy import Run
from tests.cli import zoo
from tests.workflow.repairs import Job, Steps, figures

ALLOW = {"allow": ["calibration", "cut", "16bit"]}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Job, Run, list[str]]:
    """A search that nobody stopped."""
    job, steps = Job(tmp_path_factory.mktemp("whole"), zoo.detector(wide=True)), Steps()
    run = job.run(steps=steps, repair=ALLOW)
    assert run.verdict == "passed"
    return job, run, steps.names


def stages(job: Job, name: str) -> dict[str, int]:
    """When each stage that is done was written."""
    return {path.parent.name: path.stat().st_mtime_ns for path in (job.folder / name / "stages").glob("*/done.json")}


def told(journal: Any) -> Any:
    """A journal without times."""
    return [(entry["name"], entry["trial"], entry["confirmation"]) for entry in journal["entries"]]


@pytest.mark.parametrize("where", ["effects of ranges", "try int8, ", "build int8, "])
def test_the_next_run_goes_on(whole: tuple[Job, Run, list[str]], where: str) -> None:
    job, expected, names = whole
    place = where.strip(" ,").replace(" ", "-")
    last = max(number for number, name in enumerate(names) if name.startswith(where))
    with pytest.raises(KeyboardInterrupt):
        job.run(place, steps=Steps(stop=last), repair=ALLOW)
    assert not list((job.folder / place / "stages").glob(".partial-*"))
    assert not (job.folder / place / "bundle").exists()
    done = stages(job, place)
    assert len(done) >= 6
    assert job.journal(place)["entries"][0]["confirmation"]["passed"] is False, "what was reached is kept"
    run = job.run(place, repair=ALLOW)
    after = stages(job, place)
    assert {name: after[name] for name in done} == done, "nothing is done twice"
    assert set(after) == set(stages(job, "run")), "and nothing else than in a run that nobody stopped"
    assert figures(run) == figures(expected)
    assert told(job.journal(place)) == told(job.journal())
    assert Path(run.bundle, "manifest.json").is_file()


def test_another_seed_or_another_set_of_remedies_is_another_run(whole: tuple[Job, Run, list[str]]) -> None:
    job, _, _ = whole
    job.run("changed", repair={"allow": ["cut"]})
    steps = Steps()
    run = job.run("changed", steps=steps, repair={"allow": ["16bit"]})
    assert not run.reused
    assert run.table[-1].ops["int16"] > 0
    assert not [name for name in steps.names if name == "measure float"], "what does not depend on them is kept"
