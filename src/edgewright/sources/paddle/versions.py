"""Which version of Paddle reads a model."""

from __future__ import annotations

from edgewright.errors import UserError
from edgewright.sources.paddle.export import PaddleExport
from edgewright.toolchains.vendors import vendor_spec

VENDOR = "paddle"
_FIRST_PIR = 3
"""Major version with which programs in JSON began."""


def version_for(export: PaddleExport, asked: str | None = None) -> str:
    """The version that reads `export`: the one that was asked for, or else the one that fits its format.

    Raises:
        UserError: there is no such version, or it cannot read this format.
    """
    spec = vendor_spec(VENDOR)
    able = [version for version in spec.versions if export.format == "pdmodel" or _major(version) >= _FIRST_PIR]
    if asked is None:
        newest = max(filter(_released, able), key=lambda version: [int(part) for part in version.split(".")])
        return spec.default if spec.default in able else newest
    version = spec.version_name(asked)
    if version not in able:
        raise UserError(
            f"Paddle {version} cannot read {export.program.name}",
            where=str(export.program),
            why="it is in the format of Paddle 3 (a program in JSON), which versions 2 do not know",
            todo=f"leave the version out, or name one of {', '.join(able)}; or export the model with Paddle 2",
        )
    return version


def _major(version: str) -> int:
    return int(version.partition(".")[0])


def _released(version: str) -> bool:
    return version.replace(".", "").isdigit()
