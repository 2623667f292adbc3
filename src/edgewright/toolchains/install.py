"""Making an environment: whole or not at all, by one process at a time."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from edgewright.errors import OutputError, ToolchainError
from edgewright.files import explained_write_errors, write_json_atomic
from edgewright.toolchains import side
from edgewright.toolchains.deaths import WorkerFailed
from edgewright.toolchains.environments import MARKER, PARTIAL, Environment, ToolchainMissing, environment, sweep
from edgewright.toolchains.finish import add_stubs, set_aside_glibc
from edgewright.toolchains.interpreters import Interpreter, fetch_interpreter, find_interpreter
from edgewright.toolchains.limits import Limits
from edgewright.toolchains.locks import Busy, alone
from edgewright.toolchains.places import environment_folder, lock_file, vendor_folder
from edgewright.toolchains.spec import ToolchainSpec, VersionSpec
from edgewright.toolchains.uv import Tell, run_uv
from edgewright.toolchains.worker import call_unlocked

_WAIT_SECONDS = 1800.0
_SPARE_MB = 100
_PROBER = Path(side.__file__).with_name("prober.py")
_DULL = (" + ", "Using Python")
"""Lines of uv that tell nobody anything: every package, for which there is the lock, and the folder."""


def install(
    spec: ToolchainSpec,
    version: str | None = None,
    python: Path | None = None,
    tell: Callable[[str], None] | None = None,
    *,
    again: bool = False,
    wait_seconds: float = _WAIT_SECONDS,
) -> Environment:
    """Make the environment of a version (the default one); what is there and up to date is left alone.

    Args:
        python: interpreter to use; else one is found, or fetched by uv.
        tell: takes lines of progress.
        again: make it anew even if it is there.
        wait_seconds: how long to wait for another process that installs the same.

    Raises:
        UserError: there is no such version, or `python` does not fit.
        OutputError: the disk is full, the folder cannot be written, or another process uses the environment.
        ToolchainError: no Python, no network, or the finished environment does not work.
    """
    name = spec.version_name(version)
    tell = tell or (lambda _: None)
    if not again and (there := _current(spec, name, python)):
        return there
    try:
        with alone(
            lock_file(spec.vendor, name),
            seconds=wait_seconds,
            waiting=lambda: tell(f"another process installs or uses {spec.title} {name}: waiting for it"),
        ):
            if not again and (there := _current(spec, name, python)):
                return there  # the other one made it
            sweep(spec.vendor, name)
            with explained_write_errors(vendor_folder(spec.vendor)):
                return _make(spec, name, python, tell)
    except Busy:
        raise OutputError(
            f"another process installs or uses {spec.title} {name}",
            where=str(environment_folder(spec.vendor, name)),
            todo="wait until it is done",
        ) from None


def _current(spec: ToolchainSpec, name: str, python: Path | None) -> Environment | None:
    """What is installed, if it is what is asked for."""
    try:
        found = environment(spec, name)
    except ToolchainMissing:
        return None
    if python is not None:
        asked = find_interpreter(spec.versions[name].python, vendor_folder(spec.vendor), python)
        if asked is None or asked.version != found.python_version:
            return None
    return found


def _make(spec: ToolchainSpec, name: str, python: Path | None, tell: Tell) -> Environment:
    final = environment_folder(spec.vendor, name)
    wanted = spec.versions[name]
    _check_room(final.parent, wanted)
    work = Path(tempfile.mkdtemp(prefix=f"{PARTIAL}{name}@", dir=final.parent))
    try:
        chosen = find_interpreter(wanted.python, work, python) or fetch_interpreter(wanted.python, work, tell)
        tell(f"Python {chosen.version} from {chosen.source}: {chosen.path}")
        made = _fill(spec, name, chosen, work / "env", tell)
        write_json_atomic(made.folder / MARKER, made.to_json())
        if final.exists():
            os.replace(final, work / "old")  # noqa: PTH105 - goes with `work`
        os.replace(made.folder, final)  # noqa: PTH105
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return environment(spec, name)


def _fill(spec: ToolchainSpec, name: str, chosen: Interpreter, folder: Path, tell: Tell) -> Environment:
    wanted = spec.versions[name]
    work = folder.parent
    # relocatable, because it is moved to its place when it is finished
    run_uv(["venv", "--relocatable", "--python", str(chosen.path), str(folder)], work, lambda _: None)
    target = ["--python", str(folder / "bin" / "python")]

    def told(line: str) -> None:
        if not line.startswith(_DULL):
            tell(line)

    if wanted.no_deps:
        run_uv(["pip", "install", *target, "--no-deps", *wanted.no_deps], work, told)
    if wanted.requirements:
        run_uv(["pip", "install", *target, *wanted.requirements], work, told)
    lock = run_uv(["pip", "freeze", *target], work, lambda _: None)
    made = Environment(spec.vendor, name, folder, chosen.version, lock, 0, spec.digest(name))
    add_stubs(spec.stub_paths(name), made.site_packages)
    if wanted.system_glibc:
        for path in set_aside_glibc(made.site_packages):
            tell(f"the system's glibc is used in place of the shipped {path.relative_to(made.site_packages)}")
    tell("trying it out")
    probe(made, wanted)
    return Environment(spec.vendor, name, folder, chosen.version, lock, size_mb(folder), made.spec_digest)


def probe(made: Environment, wanted: VersionSpec) -> float:
    """Run the version's probe in an environment; returns the seconds that it took.

    Raises:
        ToolchainError: it failed or took too long.
    """
    with tempfile.TemporaryDirectory(prefix="edgewright-probe-") as folder:
        limits = Limits(wanted.probe_seconds)
        try:
            return call_unlocked(made, _PROBER, "probe", {"code": wanted.probe}, Path(folder), limits).seconds
        except WorkerFailed as error:
            lines = [error.death.what, *error.death.lines]
            raise ToolchainError(
                f"{made.vendor} {made.version} is installed but does not work",
                where=wanted.probe,
                why="\n         ".join(lines),
                todo="report this with the lines above and the output of `edgewright toolchain doctor`",
            ) from error


def size_mb(folder: Path) -> int:
    """Disk that a folder takes, in MB (1e6 bytes); a file with several names in it counts once."""
    seen: dict[tuple[int, int], int] = {}
    for root, _, names in os.walk(folder):
        for name in names:
            facts = os.lstat(os.path.join(root, name))  # noqa: PTH118 - ten thousands of files
            seen[facts.st_dev, facts.st_ino] = facts.st_blocks * 512
    return round(sum(seen.values()) / 1e6)


def _check_room(folder: Path, wanted: VersionSpec) -> None:
    free = shutil.disk_usage(folder).free // 1_000_000
    if free < wanted.disk_mb + _SPARE_MB:
        raise OutputError(
            f"the toolchain needs {wanted.disk_mb + _SPARE_MB} MB of disk, {free} MB are free",
            where=str(folder),
            todo="free some space, or name a folder on another disk with EDGEWRIGHT_CACHE",
        )
