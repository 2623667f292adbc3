"""Ctrl-C, kill and kill -9 in the middle of a deploy, in real processes: nothing half done, the next run goes on."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from edgewright.report.summary import summary_schema
from tests.cli.conftest import Cli
from tests.report.test_summary import problems

# The child stops at the entry of a stage and says so, so that the signal meets it in the middle of work.
CHILD = """
import sys, time
from edgewright.cli.main import run_app
from edgewright.workflow import {module}
real = {module}.{name}
def stopped(*args, **options):
    print("there", flush=True)
    time.sleep(60)
    return real(*args, **options)
{module}.{name} = stopped
run_app()
"""
DEPLOY = ("deploy", "m.onnx", "--images", "val", "--calibration", "cal", "--out", "r")
POINTS = [("prepared", "prepare"), ("calibrated", "collect_statistics"), ("measured", "evaluate")]


def start(module: str, name: str, *words: str) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", CHILD.format(module=module, name=name), *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
    )
    assert process.stdout is not None
    line = process.stdout.readline()
    if line != "there\n":
        process.kill()
        pytest.fail(f"{line}{process.communicate()[1]}")
    return process


def unfinished() -> list[str]:
    return [path.name for path in Path("r/stages").iterdir() if path.name.startswith(".partial-")]


@pytest.mark.parametrize(
    ("module", "name", "number", "status"),
    [
        *((module, name, signal.SIGINT, 130) for module, name in POINTS),
        (*POINTS[1], signal.SIGTERM, 143),  # `kill`, `timeout`
        (*POINTS[2], signal.SIGHUP, 129),  # the terminal was closed
    ],
)
def test_an_interruption(cli: Cli, module: str, name: str, number: signal.Signals, status: int) -> None:
    process = start(module, name, *DEPLOY)
    assert unfinished()
    time.sleep(0.05)
    process.send_signal(number)
    out, err = process.communicate(timeout=20)
    assert process.returncode == status
    assert out == ""
    assert "edgewright: interrupted\n  do:    the same command goes on where this one stopped\n" in err
    assert "Traceback" not in err
    if module == "prepared":
        assert not Path("r").exists(), "a run without a single result leaves nothing"
        done = set()
    else:
        assert not unfinished()
        done = {path: path.stat().st_mtime_ns for path in Path("r/stages").iterdir()}
        assert done
    assert cli(*DEPLOY).status == 0
    assert all(path.stat().st_mtime_ns == when for path, when in dict(done).items()), "what was done is not done again"


def test_ctrl_c_with_json(cli: Cli) -> None:
    process = start(*POINTS[0], *DEPLOY, "--json")
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=20)
    assert process.returncode == 130
    data = json.loads(out)
    assert problems(data, summary_schema()) == []
    assert data["error"]["what"] == "interrupted"


def test_kill_9(cli: Cli) -> None:
    process = start("calibrated", "collect_statistics", *DEPLOY)
    assert cli.refused(*DEPLOY)["what"] == "another edgewright process works in this run directory"
    process.kill()
    process.communicate()
    assert unfinished(), "the kill met a stage at work"
    done = {path: path.stat().st_mtime_ns for path in Path("r/stages").iterdir() if path.name.startswith("prepare")}
    assert done
    answer = cli(*DEPLOY)
    assert answer.status == 0
    assert not unfinished()
    assert all(path.stat().st_mtime_ns == when for path, when in done.items())
