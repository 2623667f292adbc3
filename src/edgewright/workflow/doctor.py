"""The doctor: is each toolchain in order, and which kinds of networks does a target get right?"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgewright.diagnose.controls import CONTROLS, Control, ControlResult, run_control, run_own
from edgewright.errors import EdgewrightError, UserError
from edgewright.targets.backend import Backend, Capabilities, OwnControls
from edgewright.targets.naming import parse_target
from edgewright.targets.registry import get_backend, toolchain_version
from edgewright.toolchains.environments import Environment, ToolchainMissing, environment, installed
from edgewright.toolchains.finish import system_glibc
from edgewright.toolchains.install import probe
from edgewright.toolchains.interpreters import find_interpreter
from edgewright.toolchains.known_issues import KnownIssue
from edgewright.toolchains.places import cache_root
from edgewright.toolchains.spec import ToolchainSpec
from edgewright.toolchains.vendors import known, vendor_spec, vendors
from edgewright.workflow.progress import Progress, Quiet

MB = 1_000_000
_FINE = ("ok", "not run", "not on this chip")
"""States of a control in which nothing needs doing here."""


@dataclass(frozen=True)
class Health:
    """One version of one toolchain.

    Attributes:
        vendor, version: which one.
        state: "works", "does not work", "not up to date", "damaged" or "not installed".
        why: what is wrong with it.
        python: the Python that it has, or would be made with; empty: none is on this machine.
        disk_mb: what it takes, or would take.
        seconds: of trying it out; None when it was not.
    """

    vendor: str
    version: str
    state: str
    why: str = ""
    python: str = ""
    disk_mb: int = 0
    seconds: float | None = None

    @property
    def in_order(self) -> bool:
        """Whether nothing needs doing: what is not installed is no fault."""
        return self.state in ("works", "not installed")


@dataclass(frozen=True)
class MachineHealth:
    """All toolchains on this machine.

    Attributes:
        cache: where environments lie.
        free_mb: disk that is free there.
        glibc: release of the system's C library; empty where there is none.
    """

    cache: Path
    free_mb: int
    glibc: str
    toolchains: tuple[Health, ...]

    @property
    def in_order(self) -> bool:
        """Whether nothing needs doing."""
        return all(entry.in_order for entry in self.toolchains)

    @property
    def not_run(self) -> bool:
        """Environments are always tried out."""
        return False

    def to_json(self) -> dict[str, Any]:
        """As JSON data."""
        return {
            "cache": str(self.cache),
            "free_mb": self.free_mb,
            "glibc": self.glibc,
            "toolchains": [dict(entry.__dict__) for entry in self.toolchains],
        }


@dataclass(frozen=True)
class TargetHealth:
    """The control models through one target.

    Attributes:
        toolchain: names and versions of what built them.
        results: every control in every precision.
        issues: known issues, by control and precision that did not come out right.
    """

    target: str
    toolchain: dict[str, str]
    results: tuple[ControlResult, ...]
    issues: dict[tuple[str, str], tuple[KnownIssue, ...]]

    @property
    def in_order(self) -> bool:
        """Whether everything that the chip can do comes out right."""
        return all(result.state in _FINE for result in self.results)

    @property
    def not_run(self) -> bool:
        """Whether nothing is wrong only because nothing could be run here."""
        states = {result.state for result in self.results}
        return "not run" in states and states <= {"not run", "not on this chip"}

    def to_json(self) -> dict[str, Any]:
        """As JSON data."""
        return {
            "target": self.target,
            "toolchain": self.toolchain,
            "in_order": self.in_order,
            "controls": [
                {
                    **result.to_json(),
                    "known_issues": [issue.code for issue in self.issues.get((result.control, result.precision), ())],
                }
                for result in self.results
            ],
        }


def examine_machine(folder: Path, progress: Progress | None = None) -> MachineHealth:
    """Look at every version of every toolchain, and try out what is installed.

    Args:
        folder: a folder to work in.
    """
    cache = cache_root()
    there = next(path for path in (cache, *cache.parents) if path.exists())
    glibc = system_glibc()
    specs = [vendor_spec(vendor) for vendor in vendors()]
    found = []
    with (progress or Quiet()).step("try out", sum(len(spec.versions) for spec in specs)) as advance:
        for spec in specs:
            for version in spec.versions:
                found.append(_examine(spec, version, folder))
                advance()
    return MachineHealth(
        cache=cache,
        free_mb=shutil.disk_usage(there).free // MB,
        glibc=".".join(map(str, glibc)) if glibc else "",
        toolchains=tuple(found),
    )


def examine_target(
    target: str,
    folder: Path,
    *,
    precisions: tuple[str, ...] = ("float", "int8"),
    controls: tuple[str, ...] = (),
    progress: Progress | None = None,
) -> TargetHealth:
    """Take the control models through a target's toolchain and compare each by part with ONNX Runtime.

    Args:
        target: `vendor/chip` or `vendor/chip==VERSION`.
        folder: where to build; what came out right is deleted again, what did not is kept with its log.
        precisions: to build in; what the chip has not is told so. Controls of a framework's own are in float only.
        controls: names of the controls; none: all.

    Raises:
        UserError: there is no such target or control.
        ToolchainMissing: the toolchain is not installed.
    """
    backend = get_backend(target)
    _check_installed(backend)
    toolchain = dict(backend.toolchain())
    tasks = _tasks(backend, controls)
    if isinstance(backend, OwnControls):
        precisions = tuple(precision for precision in precisions if precision == "float")
    results: list[ControlResult] = []
    issues: dict[tuple[str, str], tuple[KnownIssue, ...]] = {}
    with (progress or Quiet()).step("control models", len(tasks) * len(precisions)) as advance:
        for task in tasks:
            for precision in precisions:
                place = folder / f"{task.name}-{precision}"
                place.mkdir(parents=True)
                result = task.run(precision, place)
                if result.state in _FINE:
                    shutil.rmtree(place, ignore_errors=True)
                else:
                    issues[task.name, precision] = _known(backend, task.ops(), task.name, precision)
                results.append(result)
                advance()
    return TargetHealth(target, toolchain, tuple(results), issues)


@dataclass(frozen=True)
class _Task:
    """A control to take through a target: its name, how that is done in a precision, and its ops."""

    name: str
    run: Callable[[str, Path], ControlResult]
    ops: Callable[[], set[str]]


def _tasks(backend: Backend, names: tuple[str, ...]) -> list[_Task]:
    if isinstance(backend, OwnControls):
        return [_own_task(backend, backend.capabilities(), name) for name in names or backend.own_controls()]
    return [_task(backend, control) for control in [CONTROLS.get(name) for name in names] or list(CONTROLS)]


def _task(backend: Backend, control: Control) -> _Task:
    return _Task(
        control.name,
        lambda precision, place: run_control(backend, control, precision, place),
        lambda: {node.op_type for node in control.build().ir.graph},
    )


def _own_task(backend: OwnControls, able: Capabilities, name: str) -> _Task:
    """A control in the target's own framework: it has no ONNX ops."""
    known_names = backend.own_controls()
    if name not in known_names:
        raise UserError(
            f"there is no control model {name!r} for {able.target}",
            why="it builds from its framework's files, so its control models are its own",
            todo=f"known: {', '.join(known_names)}",
        )
    return _Task(name, lambda precision, place: run_own(backend, name, precision, able.float_tolerance, place), set)


def _check_installed(backend: Backend) -> None:
    """Say once that the toolchain is missing, and not for every control."""
    version = toolchain_version(backend)
    if version is not None:
        environment(vendor_spec(parse_target(backend.capabilities().target).vendor), version)


def _known(backend: Backend, ops: set[str], family: str, precision: str) -> tuple[KnownIssue, ...]:
    """Known issues of the version that the target's toolchain is used in."""
    version = toolchain_version(backend)
    if version is None:
        return ()
    named = parse_target(backend.capabilities().target)
    return known(named.vendor, version, named.chip, ops, family, precision)


def _examine(spec: ToolchainSpec, version: str, folder: Path) -> Health:
    wanted = spec.versions[version]
    there = {entry.version: entry for entry in installed(spec)}.get(version)
    try:
        made = environment(spec, version)
    except ToolchainMissing as missing:
        if there is not None:
            return _health(there, missing.state, missing.why)
        found = find_interpreter(wanted.python, folder)
        python = f"{found.version} ({found.source})" if found else ""
        why = "" if found else f"no Python {' or '.join(wanted.python)} on this machine: uv would fetch one"
        return Health(spec.vendor, version, "not installed", why, python, wanted.disk_mb)
    try:
        return _health(made, "works", seconds=round(probe(made, wanted), 3))
    except EdgewrightError as error:
        return _health(made, "does not work", error.why or error.what)


def _health(made: Environment, state: str, why: str = "", seconds: float | None = None) -> Health:
    return Health(made.vendor, made.version, state, why, made.python_version, made.disk_mb, seconds)
