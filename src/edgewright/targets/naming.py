"""Names of targets: `VENDOR/CHIP`, or `VENDOR/CHIP==VERSION` for a version of the toolchain that is not the default."""

from __future__ import annotations

import re
from dataclasses import dataclass

from edgewright.errors import UserError

_BETWEEN = re.compile(r"[\s,;+]+")


@dataclass(frozen=True)
class TargetName:
    """A target as a user names it.

    Attributes:
        vendor, chip: which chip.
        version: of its toolchain; None takes the default one.
    """

    vendor: str
    chip: str
    version: str | None = None

    @property
    def target(self) -> str:
        """`vendor/chip`: what artifacts and bundles are for, whichever version built them."""
        return f"{self.vendor}/{self.chip}"


def parse_target(text: str) -> TargetName:
    """The parts of a name. Whether there is such a target is not looked at.

    Raises:
        UserError: several targets, or `==` with no version behind it.
    """
    several = [part for part in _BETWEEN.split(text) if part]
    if len(several) > 1:
        raise _several(text, several)
    target, equals, version = text.partition("==")
    if equals and not version.strip():
        raise UserError(
            f"{text!r} names no version", todo=f"write {target}==VERSION, or {target} for the default version"
        )
    vendor, _, chip = target.strip().partition("/")
    return TargetName(vendor, chip, version.strip() if equals else None)


def _several(text: str, parts: list[str]) -> UserError:
    vendor = parts[0].partition("/")[0]
    single = [part if "/" in part else f"{vendor}/{part}" for part in parts]
    return UserError(
        f"{text!r} names {len(parts)} targets, and an artifact is for one",
        why="asked for several processors, a compiler may place each op on whichever comes first: Paddle Lite's "
        "files for arm,x86 crashed on x86, or answered with what lay in memory and ended with status 0",
        todo=f"deploy once for each: {', then '.join(f'--target {name}' for name in single)}",
    )
