"""What may help when Paddle Inference fails: the table `remedies.toml`, tried where that is possible here."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from edgewright.targets.paddle.files import reads
from edgewright.targets.paddle.inference import Options
from edgewright.targets.paddle.process import VENDOR
from edgewright.toml_io import loads_toml
from edgewright.toolchains.deaths import Death, WorkerFailed
from edgewright.toolchains.environments import ToolchainMissing, environment
from edgewright.toolchains.vendors import vendor_spec

CRASH, UNKNOWN = "crash", "unknown"


class Remedy(BaseModel):
    """One entry of `remedies.toml`.

    Attributes:
        name: a short slug.
        what: what to do, in words.
        options: how the configuration changes; of `Options`.
        other_version: any other installed version of Paddle that reads the program.
        causes: codes of log rules, "crash" or "unknown".
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    what: str
    options: dict[str, Any] | None = None
    other_version: bool = False
    causes: frozenset[str]


@dataclass(frozen=True)
class Setup:
    """With what a program runs: a version of Paddle, configured somehow."""

    version: str
    options: Options

    def to_json(self) -> dict[str, Any]:
        """The setup as JSON data."""
        return {"version": self.version, "options": self.options.to_json()}


@dataclass(frozen=True)
class Tried:
    """What became of a remedy.

    Attributes:
        name, what: of the remedy.
        state: "works", "fails", or "not tried": nothing here can try it.
        why: why it fails.
    """

    name: str
    what: str
    state: Literal["works", "fails", "not tried"]
    why: str = ""

    def __str__(self) -> str:
        """One line for people."""
        return f"{self.what}: {self.state}{f' ({self.why})' if self.why else ''}"

    def to_json(self) -> dict[str, str]:
        """The result as JSON data."""
        return {"name": self.name, "what": self.what, "state": self.state, "why": self.why}


@functools.cache
def remedies() -> tuple[Remedy, ...]:
    """All of the table, in the order in which they are tried."""
    text = (Path(__file__).parent / "remedies.toml").read_text(encoding="utf-8")
    return tuple(Remedy.model_validate(table) for table in loads_toml(text)["remedy"])


def cause_code(death: Death) -> str:
    """What a death is looked up under."""
    if death.cause is not None:
        return death.cause.code
    return CRASH if death.kind == "signal" else UNKNOWN


def try_remedies(
    death: Death, setup: Setup, program: Path, run: Callable[[str, Setup], object]
) -> tuple[Setup | None, tuple[Tried, ...]]:
    """Try what applies to a death, each in a process of its own.

    Args:
        death: of the run as it was configured.
        setup: with what it died.
        program: the program's file.
        run: runs the program with another setup, in a folder of that name; raises `WorkerFailed`.

    Returns:
        The first setup that works, None when none does; and what became of every remedy.
    """
    code = cause_code(death)
    found: Setup | None = None
    tried: list[Tried] = []
    for remedy in remedies():
        if code not in remedy.causes:
            continue
        for name, what, other in _setups(remedy, setup, program):
            if other is None:
                tried.append(Tried(name, what, "not tried"))
                continue
            result = _try(name, what, other, run)
            tried.append(result)
            if result.state == "works" and found is None:
                found = other
    return found, tuple(tried)


def _try(name: str, what: str, setup: Setup, run: Callable[[str, Setup], object]) -> Tried:
    try:
        run(name, setup)
    except WorkerFailed as error:
        cause = error.death.cause
        return Tried(name, what, "fails", cause.code if cause else error.death.what[:200])
    return Tried(name, what, "works")


def _setups(remedy: Remedy, setup: Setup, program: Path) -> Iterator[tuple[str, str, Setup | None]]:
    """Name, words and setup of what is tried for a remedy; no setup where it can only be named."""
    if remedy.options is not None:
        changed = replace(setup.options, **remedy.options)
        if changed != setup.options:
            yield remedy.name, remedy.what, replace(setup, options=changed)
    elif remedy.other_version:
        for version in installed_versions():
            if version != setup.version and reads(version, program):
                what = remedy.what.format(version=version)
                yield f"{remedy.name}-{version}", what, replace(setup, version=version)
    else:
        yield remedy.name, remedy.what, None


def installed_versions() -> tuple[str, ...]:
    """Versions of Paddle that can be used here."""
    spec = vendor_spec(VENDOR)
    return tuple(version for version in spec.versions if _usable(version))


def _usable(version: str) -> bool:
    try:
        environment(vendor_spec(VENDOR), version)
    except ToolchainMissing:
        return False
    return True


def from_json(data: Mapping[str, Any]) -> Setup:
    """Inverse of `Setup.to_json`."""
    return Setup(str(data["version"]), Options.from_json(data["options"]))
