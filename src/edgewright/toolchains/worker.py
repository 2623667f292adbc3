"""One call of a vendor's tool: a child process in the vendor's environment, JSON in and out."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any

from edgewright.errors import OutputError, ToolchainError
from edgewright.files import explained_write_errors, write_json_atomic
from edgewright.toolchains import side
from edgewright.toolchains.answers import REPLY, SCHEMA, End, outcome, read_log
from edgewright.toolchains.causes import LogRule
from edgewright.toolchains.clock import counted_call
from edgewright.toolchains.deaths import Death, failed, with_log
from edgewright.toolchains.environments import Environment
from edgewright.toolchains.limits import Family, Limits
from edgewright.toolchains.locks import Busy, together
from edgewright.toolchains.places import lock_file
from edgewright.toolchains.surroundings import surroundings

REQUEST, LOG = "request.json", "log.txt"
_LIFELINE = "EDGEWRIGHT_LIFELINE"
_SIDE = Path(side.__file__).parent
_FIRST_SLEEP, _LONGEST_SLEEP = 0.002, 0.03
_MEMORY_SECONDS = 0.25
"""Between two looks at the memory: each reads something of every process of the machine."""
_NO_DISK = 1_000_000


@dataclass(frozen=True)
class Reply:
    """What a worker answered.

    Attributes:
        result: JSON data.
        seconds: how long the process ran.
        peak_mb: the most memory that was seen, all its processes together.
        log: the whole log.
    """

    result: Mapping[str, Any]
    seconds: float
    peak_mb: float
    log: Path


def call(
    environment: Environment,
    script: Path,
    command: str,
    arguments: Mapping[str, Any],
    folder: Path,
    limits: Limits,
    env: Mapping[str, str] | None = None,
    rules: Sequence[LogRule] = (),
) -> Reply:
    """Run `command` of a vendor's worker script in a child process that works in `folder`.

    Its standard output and error go to `log.txt` there (behind what an earlier call in the folder left). It is alone in
    a session; when it ends, fails, takes too much or we are interrupted, every process that it started is killed.

    Args:
        script: defines the commands and ends in `worker_side.main`; `worker_side` is on its path.
        arguments: JSON types; arrays are .npy or .npz files in `folder`, named here.
        env: variables added to the environment.
        rules: known log lines of the vendor.

    Raises:
        WorkerFailed: it crashed, hung, took too much memory, raised, or did not answer; see `Death.kind`.
        OutputError: `folder` cannot be written, or the environment is being removed.
    """
    try:
        with together(lock_file(environment.vendor, environment.version)):
            return call_unlocked(environment, script, command, arguments, folder, limits, env, rules)
    except Busy:
        raise OutputError(
            f"{environment.vendor} {environment.version} is being installed or removed by another process",
            where=str(environment.folder),
            todo="wait until it is done",
        ) from None


def call_unlocked(
    environment: Environment,
    script: Path,
    command: str,
    arguments: Mapping[str, Any],
    folder: Path,
    limits: Limits,
    env: Mapping[str, str] | None = None,
    rules: Sequence[LogRule] = (),
) -> Reply:
    """`call` for an environment that nobody else can change: one that is still being made."""
    log = folder / LOG
    with explained_write_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / REPLY).unlink(missing_ok=True)
        write_json_atomic(folder / REQUEST, {"schema": SCHEMA, "command": command, "arguments": dict(arguments)})
        begin = log.stat().st_size if log.exists() else 0
        ended = _run(environment, script, folder, limits, env or {})
    answer = outcome(ended, folder)
    if isinstance(answer, Death):
        _check_disk(folder)
        death = replace(answer, seconds=round(ended.seconds, 3), peak_mb=round(ended.peak_mb, 1))
        death = with_log(death, read_log(log, begin), rules, environment.version)
        raise failed(f"{environment.vendor} {environment.version}", command, death, log)
    return Reply(answer, ended.seconds, ended.peak_mb, log)


@counted_call()
def _run(environment: Environment, script: Path, folder: Path, limits: Limits, env: Mapping[str, str]) -> End:
    # in the system's folder: sockets that tools make in TMPDIR may have paths of no more than 108 bytes
    scratch = Path(tempfile.mkdtemp(prefix="edgewright-"))
    lifeline, held = os.pipe()
    started = time.monotonic()
    try:
        with (folder / LOG).open("ab") as log:
            variables = {"TMPDIR": str(scratch), **env, _LIFELINE: str(lifeline)}
            variables["PYTHONPATH"] = os.pathsep.join(filter(None, [str(_SIDE), env.get("PYTHONPATH", "")]))
            process = _start(environment, script, folder, variables, log, lifeline)
        family = Family(process.pid)
        try:
            killed = _watch(family, started, limits)
        finally:
            family.kill()
            process.wait()
        return End(process.returncode, time.monotonic() - started, family.peak_mb, killed)
    finally:
        os.close(lifeline)
        os.close(held)
        shutil.rmtree(scratch, ignore_errors=True)


def _start(
    environment: Environment, script: Path, folder: Path, variables: Mapping[str, str], log: IO[bytes], lifeline: int
) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(
            [str(environment.python), str(script.absolute()), REQUEST],
            cwd=folder,
            env=surroundings(environment.folder, variables),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            pass_fds=(lifeline,),
            start_new_session=True,
        )
    except OSError as error:
        name = f"{environment.vendor}=={environment.version}"
        raise ToolchainError(
            f"the Python of {name} cannot be started",
            where=str(environment.python),
            why=error.strerror or str(error),
            todo=f"`edgewright toolchain install {name} --again`",
        ) from error


def _check_disk(folder: Path) -> None:
    """A full disk explains every failure, and no tool says so itself: it cannot even write its log.

    Raises:
        OutputError: the disk is full.
    """
    if shutil.disk_usage(folder).free < _NO_DISK:
        raise OutputError(
            "the disk is full", where=str(folder), todo="free some space, or choose a folder on another disk"
        )


def _watch(family: Family, started: float, limits: Limits) -> Death | None:
    """Wait for the end; the reason to kill, or None when it ended by itself."""
    pause, looked = _FIRST_SLEEP, 0.0
    while not family.exited():
        seconds = time.monotonic() - started
        if seconds > limits.seconds:
            family.ask_for_stacks()
            return Death("timeout", f"no answer within {limits.seconds:g} s; it was ended")
        if seconds - looked > _MEMORY_SECONDS or not looked:
            looked = seconds
            used = family.memory_mb(limits.memory_mb)
            if used > limits.memory_mb:
                return Death(
                    "memory", f"it used {used:.0f} MB of memory, {limits.memory_mb:g} MB are allowed; it was ended"
                )
        time.sleep(min(pause, max(0.0, limits.seconds - seconds) + 0.001))
        pause = min(2 * pause, _LONGEST_SLEEP)
    return None
