"""The run directory: results whole or not at all, reused when nothing changed, one process at a time."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from edgewright.errors import OutputError
from edgewright.workflow.run_dir import RunDir

WORKER = """
import sys, time
from pathlib import Path
from edgewright.workflow.run_dir import RunDir
def slow(folder):
    (folder / "half.bin").write_bytes(b"x" * 100)
    print("writing", flush=True)
    time.sleep(60)
    return {"value": 1}
with RunDir.open(Path(sys.argv[1])) as run:
    run.stage("first", {"k": 1}, lambda folder: {"value": 0})
    run.stage("second", {"k": 1}, slow)
"""


def counting(value: Any) -> tuple[list[int], Any]:
    calls: list[int] = []

    def compute(folder: Path) -> dict[str, Any]:
        calls.append(1)
        (folder / "file.txt").write_text("whole", encoding="utf-8")
        return {"value": value}

    return calls, compute


def test_a_stage_runs_once_for_a_key(tmp_path: Path) -> None:
    calls, compute = counting(3)
    for expected in (False, True):
        with RunDir.open(tmp_path / "run") as run:
            result = run.stage("build int8, tail", {"plan": "a"}, compute)
            assert result.reused is expected
            assert result.data == {"value": 3}
            assert (result.folder / "file.txt").read_text(encoding="utf-8") == "whole"
            assert run.times[-1].reused is expected
    with RunDir.open(tmp_path / "run") as run:
        assert not run.stage("build int8, tail", {"plan": "b"}, compute).reused
    assert len(calls) == 2


def test_a_failed_stage_leaves_nothing(tmp_path: Path) -> None:
    def fail(folder: Path) -> dict[str, Any]:
        (folder / "half.bin").write_bytes(b"x")
        raise RuntimeError("compiler crashed")

    with pytest.raises(RuntimeError), RunDir.open(tmp_path / "run") as run:
        run.stage("build", {}, fail)
    assert not (tmp_path / "run").exists(), "a run that gave no result leaves no directory behind"


def test_kill_9_in_the_middle_of_a_stage(tmp_path: Path) -> None:
    path = tmp_path / "run"
    process = subprocess.Popen([sys.executable, "-c", WORKER, str(path)], stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b"writing\n"
    with pytest.raises(OutputError, match="another edgewright process"), RunDir.open(path):
        pass
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert list((path / "stages").glob(".partial-*")), "the killed stage was at work"
    calls, compute = counting(2)
    with RunDir.open(path) as run:
        assert not list((path / "stages").glob(".partial-*"))
        assert run.stage("first", {"k": 1}, compute).reused
        assert not run.stage("second", {"k": 1}, compute).reused
    assert len(calls) == 1


def test_a_damaged_marker_is_no_result(tmp_path: Path) -> None:
    calls, compute = counting(1)
    with RunDir.open(tmp_path / "run") as run:
        folder = run.stage("a", {}, compute).folder
    (folder / "done.json").write_text("{", encoding="utf-8")
    with RunDir.open(tmp_path / "run") as run:
        assert not run.stage("a", {}, compute).reused
    assert len(calls) == 2


def test_an_interruption_is_not_hidden_where_somebody_removed_the_directory(tmp_path: Path) -> None:
    def interrupted() -> None:
        with RunDir.open(tmp_path / "run"):
            shutil.rmtree(tmp_path / "run")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert not (tmp_path / "run").exists()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_read_only_place(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(OutputError, match="cannot be written"), RunDir.open(tmp_path / "run"):
        pass


def test_a_file_in_the_way(tmp_path: Path) -> None:
    (tmp_path / "run").write_text("I am a file", encoding="utf-8")
    with pytest.raises(OutputError, match="in the way"), RunDir.open(tmp_path / "run"):
        pass


def test_stage_times_are_kept(tmp_path: Path) -> None:
    def nap(folder: Path) -> dict[str, Any]:
        time.sleep(0.05)
        return {}

    with RunDir.open(tmp_path / "run") as run:
        run.stage("nap", {}, nap)
        assert run.times[0].wall_s >= 0.05
        assert run.times[0].cpu_s < 0.05
