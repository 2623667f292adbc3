"""Names of targets: `VENDOR/CHIP`, or `VENDOR/CHIP==VERSION` for a version of the toolchain that is not the default."""

from __future__ import annotations

from dataclasses import dataclass

from edgewright.errors import UserError


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
        UserError: `==` with no version behind it.
    """
    target, equals, version = text.partition("==")
    if equals and not version.strip():
        raise UserError(
            f"{text!r} names no version", todo=f"write {target}==VERSION, or {target} for the default version"
        )
    vendor, _, chip = target.strip().partition("/")
    return TargetName(vendor, chip, version.strip() if equals else None)
