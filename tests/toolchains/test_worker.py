"""Children that die in every way that a vendor's tool has been seen to die."""

from __future__ import annotations

import ast
import json
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from edgewright.errors import OutputError, ToolchainError
from edgewright.toolchains import answers, worker
from edgewright.toolchains.causes import load_rules
from edgewright.toolchains.clock import tool_clock
from edgewright.toolchains.deaths import Death, WorkerFailed
from edgewright.toolchains.environments import Environment
from edgewright.toolchains.limits import Limits
from edgewright.toolchains.locks import alone
from edgewright.toolchains.places import lock_file
from edgewright.toolchains.side import worker_side
from edgewright.toolchains.worker import Reply, call
from tests.toolchains.test_uv import gone

SCRIPT = """
import ctypes, json, os, signal, subprocess, sys, time
from worker_side import main

def echo(arguments):
    print("hello from inside")
    return {"arguments": arguments, "prefix": sys.prefix, "cwd": os.getcwd(), "variables": dict(os.environ)}

def nothing(arguments): pass
def segfault(arguments): ctypes.string_at(0)
def die(arguments): os.kill(os.getpid(), arguments["signal"])
def shell(arguments): os._exit(128 + signal.SIGSEGV)
def raises(arguments): raise ValueError("expect in ['w8a8'], got w4a4")
def leaves(arguments): sys.exit(0)
def silent(arguments): os._exit(0)
def nan(arguments): return {"value": float("nan")}
def no_json(arguments): return {"value": object()}
def said_no(arguments): print("E build failed, ret=-1"); raise RuntimeError("build returned -1")

def reply(arguments):
    with open("reply.json", "w") as file:
        file.write(arguments["text"])
    os._exit(0)

def hang(arguments):
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    with open("child.txt", "w") as file:
        file.write(str(child.pid))
    time.sleep(60)

def leave_child(arguments):
    child = subprocess.Popen([sys.executable, "-c", "import os, time; os.setpgid(0, 0); time.sleep(60)"])
    return {"child": child.pid}

def eat(arguments):
    code = "x = bytearray(b'x') * 60000000; import time; time.sleep(60)"
    children = [subprocess.Popen([sys.executable, "-c", code]) for _ in range(2)]
    time.sleep(60)

def buffered(arguments):
    ctypes.CDLL(None).printf(b"the compiler's last words\\n")
    os.abort()

def moves(arguments): os.chdir("/"); return {"moved": True}
def modules(arguments):
    import plan
    return {"plan": plan.WHOSE}

def late_crash(arguments):
    import atexit
    atexit.register(lambda: ctypes.string_at(0))
    return {"answer": 1}

main({name: value for name, value in globals().items() if callable(value) and name != "main"})
"""


@pytest.fixture(scope="module")
def script(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("vendor") / "inside.py"
    path.write_text(SCRIPT)
    return path


@pytest.fixture
def ask(acme: Environment, script: Path, tmp_path: Path):
    def ask(command: str, seconds: float = 20.0, memory_mb: float = 4000.0, **arguments: object) -> Reply:
        return call(acme, script, command, arguments, tmp_path / "work", Limits(seconds, memory_mb))

    return ask


def death_of(ask, *arguments: object, **more: object) -> Death:
    with pytest.raises(WorkerFailed) as caught:
        ask(*arguments, **more)
    assert caught.value.exit_status == 3
    assert Path(caught.value.log).is_file()
    assert caught.value.death.seconds > 0
    json.dumps(caught.value.death.to_json())
    return caught.value.death


def test_an_answer_comes_back_whole(ask, acme: Environment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", "/elsewhere")
    monkeypatch.setenv("LD_PRELOAD", "")
    reply = ask("echo", names=["a", 1, None, 2.5, "ä"])
    assert reply.result["arguments"] == {"names": ["a", 1, None, 2.5, "ä"]}
    assert Path(reply.result["prefix"]) == acme.folder
    assert Path(reply.result["cwd"]) == tmp_path / "work"
    variables = reply.result["variables"]
    assert "/elsewhere" not in variables["PYTHONPATH"]
    assert "LD_PRELOAD" not in variables
    assert variables["PATH"].startswith(str(acme.folder / "bin"))
    assert not Path(variables["TMPDIR"]).exists()
    assert reply.log.read_text() == "hello from inside\n"
    assert 0 < reply.seconds < 20
    assert sorted(path.name for path in (tmp_path / "work").iterdir()) == ["log.txt", "reply.json", "request.json"]


def test_nothing_is_an_answer_too(ask) -> None:
    assert ask("nothing").result == {}


def test_logs_of_several_calls_are_kept_and_told_apart(ask) -> None:
    ask("echo")
    death = death_of(ask, "said_no")
    assert "hello from inside" not in death.lines
    log = ask("nothing").log.read_text()
    assert log.startswith("hello from inside\n")
    assert "E build failed" in log


def test_signals(ask) -> None:
    death = death_of(ask, "segfault")
    assert (death.kind, death.signal) == ("signal", "SIGSEGV")
    assert "a segmentation fault" in death.what
    assert any("in segfault" in line for line in death.lines), "the Python stack is in the log"
    for number, name in ((signal.SIGKILL, "SIGKILL"), (signal.SIGABRT, "SIGABRT"), (40, "40")):
        death = death_of(ask, "die", signal=int(number))
        assert (death.kind, death.signal) == ("signal", name)
    assert death_of(ask, "shell").signal == "SIGSEGV"


def test_a_hang_ends_at_the_time_limit_with_all_children(ask, tmp_path: Path) -> None:
    started = time.monotonic()
    death = death_of(ask, "hang", seconds=0.6)
    assert time.monotonic() - started < 5
    assert death.kind == "timeout"
    assert "0.6 s" in death.what
    assert any("in hang" in line for line in death.lines), "the log says where it hung"
    assert gone(int((tmp_path / "work" / "child.txt").read_text()))


def test_memory_is_counted_over_all_children(ask) -> None:
    death = death_of(ask, "eat", memory_mb=110.0)
    assert death.kind == "memory"
    assert death.peak_mb > 110


def test_exceptions_and_exits(ask) -> None:
    death = death_of(ask, "raises")
    assert (death.kind, death.error["type"]) == ("exception", "ValueError")
    assert death.what == "ValueError: expect in ['w8a8'], got w4a4"
    assert "raise ValueError" in death.error["traceback"]
    assert death_of(ask, "leaves").error["type"] == "SystemExit"
    for command in ("nan", "no_json"):
        assert death_of(ask, command).kind == "exception"
    assert "unknown command 'nonsense'" in death_of(ask, "nonsense").what


def test_a_process_that_ends_without_an_answer(ask) -> None:
    ask("nothing")  # an old answer must not pass for a new one
    death = death_of(ask, "silent")
    assert (death.kind, death.status) == ("no-answer", 0)


@pytest.mark.parametrize(
    "text",
    [
        *('{"schema": 1, "ok": true, "resu', "", "[]", '{"schema": 2, "ok": true, "result": {}}', "\\udcff"),
        *('{"schema": 1, "ok": true, "result": 3}', '{"schema": 1, "ok": false}', '{"schema": 1, "result": {}}'),
        '{"schema": 1, "ok": false, "error": {"type": "X"}}',
    ],
)
def test_answers_that_are_none(text: str, ask) -> None:
    assert death_of(ask, "reply", text=text).kind == "bad-answer"


def test_a_crash_after_the_answer_does_not_void_it(ask) -> None:
    assert ask("late_crash").result == {"answer": 1}


def test_nothing_that_was_started_stays(ask) -> None:
    assert gone(ask("leave_child").result["child"])


def test_last_words_of_c_code_reach_the_log(ask) -> None:
    assert "the compiler's last words" in death_of(ask, "buffered").lines


def test_a_command_may_change_the_folder(ask) -> None:
    assert ask("moves").result == {"moved": True}


def test_packages_go_before_files_beside_the_script(ask, acme: Environment, script: Path) -> None:
    script.with_name("plan.py").write_text("WHOSE = 'ours'\n")
    assert ask("modules").result == {"plan": "ours"}
    theirs = acme.site_packages / "plan.py"
    theirs.write_text("WHOSE = 'theirs'\n")
    try:
        assert ask("modules").result == {"plan": "theirs"}
    finally:
        theirs.unlink()


def test_the_cause_is_named_where_the_log_tells_it(acme: Environment, script: Path, tmp_path: Path) -> None:
    rules = load_rules(
        """
        [[rule]]
        code = "minus-one"
        pattern = 'build failed, ret=(-\\d+)'
        cause = "The build returned {1}."
        remedy = "Look at the lines before."
        source = "a test"
        """
    )
    with pytest.raises(WorkerFailed, match="failed at 'said_no': RuntimeError: build returned -1") as caught:
        call(acme, script, "said_no", {}, tmp_path, Limits(20), rules=rules)
    assert caught.value.death.cause.code == "minus-one"
    assert "The build returned -1." in caught.value.why
    assert caught.value.todo == "Look at the lines before."
    with pytest.raises(WorkerFailed, match="the cause is not known") as caught:
        call(acme, script, "raises", {}, tmp_path / "b", Limits(20), rules=rules)
    assert caught.value.death.cause is None
    with pytest.raises(WorkerFailed, match="its log is empty"):
        call(acme, script, "silent", {}, tmp_path / "c", Limits(20), rules=rules)


def test_an_environment_that_is_being_replaced_is_not_used(
    ask, acme: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EDGEWRIGHT_CACHE", str(acme.folder.parents[2]))
    with alone(lock_file("acme", "2.0"), seconds=0), pytest.raises(OutputError, match="installed or removed"):
        ask("echo")


def test_a_full_disk_is_told_as_what_it_is(ask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker.shutil, "disk_usage", lambda folder: SimpleNamespace(free=0))
    ask("nothing")
    with pytest.raises(OutputError, match="the disk is full"):
        ask("silent")


def test_a_python_that_cannot_be_started_is_told(acme: Environment, script: Path, tmp_path: Path) -> None:
    gone_one = replace(acme, folder=tmp_path / "nowhere")
    with pytest.raises(ToolchainError, match=r"the Python of acme==2\.0 cannot be started"):
        call(gone_one, script, "nothing", {}, tmp_path / "work", Limits(5))


def test_the_child_dies_with_an_interrupted_host(ask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt() -> None:
        while not (tmp_path / "work" / "child.txt").exists():
            time.sleep(0.02)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt).start()
    with pytest.raises(KeyboardInterrupt):
        ask("hang")
    assert gone(int((tmp_path / "work" / "child.txt").read_text()))


def test_the_child_dies_with_a_killed_host(acme: Environment, script: Path, tmp_path: Path) -> None:
    code = (
        "from pathlib import Path; from edgewright.toolchains.environments import Environment;"
        "from edgewright.toolchains.worker import call; from edgewright.toolchains.limits import Limits;"
        f"e = Environment('acme', '2.0', Path({str(acme.folder)!r}), {acme.python_version!r}, '', 0, '');"
        f"call(e, Path({str(script)!r}), 'hang', {{}}, Path({str(tmp_path)!r}), Limits(60))"
    )
    source = str(Path(worker.__file__).parents[2])
    with subprocess.Popen([sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": source}) as host:
        deadline = time.monotonic() + 30
        while not (tmp_path / "child.txt").exists():
            assert host.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.02)
        host.kill()
    assert gone(int((tmp_path / "child.txt").read_text()))


def test_the_workers_half_is_for_old_pythons_too() -> None:
    text = Path(worker_side.__file__).read_text(encoding="utf-8")
    tree = ast.parse(text, feature_version=(3, 6))
    imported = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert "__future__" not in imported  # `annotations` is of 3.7
    assert worker_side.SCHEMA == answers.SCHEMA
    assert (worker_side.REPLY, worker_side.LIFELINE) == (answers.REPLY, worker._LIFELINE)


def test_the_time_of_a_call_is_counted(ask) -> None:
    with tool_clock() as clock:
        reply = ask("echo")
        with pytest.raises(WorkerFailed):
            ask("raises")
    assert clock.calls == 2
    assert clock.seconds >= reply.seconds > 0
