from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from edgewright.workflow.meanwhile import Meanwhile
from edgewright.workflow.progress import Progress
from edgewright.workflow.run_dir import RunDir


def test_work_goes_on_beside_the_main_thread_and_its_result_is_handed_over() -> None:
    with Meanwhile[str]() as meanwhile:
        meanwhile.start(lambda progress: threading.current_thread().name)
        assert "edgewright-meanwhile" in str(meanwhile.result())
    with Meanwhile[str]() as idle:
        assert idle.result() is None


def test_what_it_raises_is_raised_where_the_result_is_wanted() -> None:
    def broken(progress: Progress) -> None:
        raise ValueError("so it is")

    with Meanwhile[None]() as meanwhile:
        meanwhile.start(broken)
        with pytest.raises(ValueError, match="so it is"):
            meanwhile.result()


def break_off(work: Callable[[Progress], None], started: threading.Event, error: BaseException) -> None:
    """An error in the main thread while the work goes on."""
    with Meanwhile[None]() as meanwhile:
        meanwhile.start(work)
        started.wait()
        raise error


@pytest.mark.timeout(20)
def test_an_error_or_ctrl_c_in_the_main_thread_ends_it_at_its_next_unit() -> None:
    started = threading.Event()

    def endless(progress: Progress) -> None:
        with progress.step("calibrate", 10**9) as advance:
            while True:
                started.set()
                time.sleep(0.001)
                advance()

    with pytest.raises(KeyboardInterrupt):
        break_off(endless, started, KeyboardInterrupt())


def test_a_stage_that_is_given_up_leaves_nothing(tmp_path: Path) -> None:
    started = threading.Event()

    def work(progress: Progress) -> None:
        def compute(folder: Path) -> dict[str, int]:
            with progress.step("calibrate", 10**9) as advance:
                while True:
                    started.set()
                    time.sleep(0.001)
                    advance()

        run.stage("calibrate", {}, compute)

    with RunDir.open(tmp_path / "run") as run:
        run.stage("first", {}, lambda folder: {})
        with pytest.raises(RuntimeError, match="compiler"):
            break_off(work, started, RuntimeError("the compiler failed"))
    assert [path.name.partition("-")[0] for path in (tmp_path / "run" / "stages").iterdir()] == ["first"]
