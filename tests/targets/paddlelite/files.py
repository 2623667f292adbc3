"""Small real files: opt's of one network (Conv, HardSigmoid) for several processors, and the control's program."""

from __future__ import annotations

import struct
from pathlib import Path

from edgewright.targets.paddlelite.control import control_model

NB = Path(__file__).parent / "nb"
HEADER = 26


def nb_bytes(name: str) -> bytes:
    """`x86`, `again` (the same build), `arm`, `arm_x86`, `x86_arm`, `int8` of opt 2.12; `old` of 2.10, for x86."""
    return (NB / f"{name}.nb").read_bytes()


def with_version(data: bytes, version: bytes) -> bytes:
    """The file with another version of opt in it."""
    return data[:2] + version.ljust(16, b"\0") + data[18:]


def with_program(program: bytes, weights: bytes = struct.pack("<HHHHI", 0, 0, 6, 0, 0)) -> bytes:
    """A file around a program, without weights."""
    return struct.pack("<H16sQ", 2, b"v2.12", len(program)) + program + weights


def program_bytes() -> bytes:
    """The control's `.pdmodel`: it has swish, hard_swish and a matrix product."""
    return control_model()[0].program.read_bytes()
