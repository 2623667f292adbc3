from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from edgewright.toolchains.clock import counted_call, same_clock, tool_clock
from edgewright.workflow.run_dir import RunDir


def work(seconds: float = 0.05) -> None:
    with counted_call():
        time.sleep(seconds)


def test_calls_are_counted_within_the_with() -> None:
    work()  # nobody counts
    with tool_clock() as clock:
        work()
        time.sleep(0.05)
        work()
    work()
    assert clock.calls == 2
    assert clock.seconds == pytest.approx(0.1, abs=0.03)


def test_calls_side_by_side_count_once_and_threads_count_for_whom_they_work() -> None:
    with tool_clock() as clock, ThreadPoolExecutor(3, initializer=same_clock()) as pool:
        list(pool.map(work, [0.1] * 3))
    assert clock.calls == 3
    assert clock.seconds == pytest.approx(0.1, abs=0.06)
    with tool_clock() as clock, ThreadPoolExecutor(1) as pool:
        pool.submit(work).result()
    assert clock.calls == 0, "a thread does not know by itself"


def test_a_call_that_runs_is_counted_up_to_now() -> None:
    with tool_clock() as clock, counted_call():
        time.sleep(0.02)
        early = clock.seconds
        assert early > 0.01
        time.sleep(0.02)
        assert clock.seconds > early


def test_a_call_that_fails_is_counted() -> None:
    with tool_clock() as clock, pytest.raises(ValueError, match="non-negative"):
        work(-1)
    assert clock.calls == 1
    assert clock.seconds < 1
    with clock.call():
        time.sleep(0.02)
    assert clock.seconds > 0.01


def test_a_run_directory_tells_the_time_of_tools_by_stage(tmp_path: Path) -> None:
    def compute(folder: Path) -> dict[str, int]:
        work()
        time.sleep(0.01)
        return {}

    with RunDir.open(tmp_path / "run") as run:
        run.stage("build", {}, compute)
        run.stage("build", {}, compute)
        run.stage("report", {}, lambda folder: {})
        built, again, report = run.times
        assert built.tools_s == pytest.approx(0.05, abs=0.03)
        assert [(step.name, step.tools_s, step.reused) for step in (again, report)] == [
            ("build", 0.0, True),
            ("report", 0.0, False),
        ]
        assert run.tools.seconds == pytest.approx(built.tools_s, abs=1e-3)
