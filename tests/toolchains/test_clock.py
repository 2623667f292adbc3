from __future__ import annotations

import time
from pathlib import Path

from edgewright.toolchains.clock import count_call, tool_clock
from edgewright.workflow.run_dir import RunDir


def test_calls_are_counted_within_the_with() -> None:
    count_call(5.0)  # nobody counts
    with tool_clock() as clock:
        count_call(1.5)
        count_call(2.0)
    count_call(7.0)
    assert (clock.seconds, clock.calls) == (3.5, 2)


def test_a_run_directory_tells_the_time_of_tools_by_stage(tmp_path: Path) -> None:
    def compute(folder: Path) -> dict[str, int]:
        count_call(0.25)
        time.sleep(0.01)
        return {}

    with RunDir.open(tmp_path / "run") as run:
        run.stage("build", {}, compute)
        run.stage("build", {}, compute)
        run.stage("report", {}, lambda folder: {})
        assert [(step.name, step.tools_s, step.reused) for step in run.times] == [
            ("build", 0.25, False),
            ("build", 0.0, True),
            ("report", 0.0, False),
        ]
        assert run.tools.seconds == 0.25
