"""What can be said of a program file without Paddle, whose own reader dies of a damaged one."""

from __future__ import annotations

import json
from pathlib import Path

MOST_BYTES = 1 << 26
"""Of a program without its weights: RT-DETR's has 0.4 MB. What is read of JSON takes twenty times as much memory."""
_MOST_FIELDS = 1 << 16
"""Of a `.pdmodel`'s outermost message, where each takes two bytes at least; a program has one for each block of ops."""
_PIR_HEAD = 4096
_BLOCKS = 1
"""Number of the field `blocks` in Paddle's framework.proto, message ProgramDesc."""
_FIELDS = {1, 2, 3, 4, 5}
"""Its fields: blocks, two reserved ones, version, op_version_map. All are messages."""
_MESSAGE = 2
"""Wire type of a field with a length before it."""


def looks_like_pir(path: Path) -> bool:
    """Whether a JSON file begins as those of Paddle 3 do; other JSON files may lie beside a program."""
    try:
        with path.open("rb") as file:
            head = file.read(_PIR_HEAD)
    except OSError:
        return False
    return b'"base_code"' in head or (b'"program"' in head and b'"pir"' in head)


def pir_problem(path: Path) -> str:
    """Why a `.json` is no program of Paddle 3; empty where nothing speaks against it."""
    size = path.stat().st_size
    if size == 0:
        return "the file is empty"
    if size > MOST_BYTES:
        return f"it has {size / 1e6:.0f} MB, and a program without its weights has less than {MOST_BYTES / 1e6:.0f}"
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except UnicodeDecodeError:
        return "it is not UTF-8 text"
    except ValueError as error:
        return f"JSON: {error}"
    except RecursionError:
        return "it is nested too deeply"
    if not isinstance(data, dict) or "program" not in data or "base_code" not in data:
        return "it is JSON, but without the keys base_code and program of Paddle 3's format"
    code = data["base_code"]
    if not isinstance(code, dict) or code.get("magic") != "pir":
        return f"its base_code says {code!r}, not the magic word pir"[:200]
    return ""


def pdmodel_problem(path: Path) -> str:
    """Why a `.pdmodel` is no program of Paddle 2; empty where nothing speaks against it.

    The file is one protobuf message: the lengths of its fields must add up to its size, and one of them is a block.
    """
    size = path.stat().st_size
    if size == 0:
        return "the file is empty"
    if size > MOST_BYTES:
        return f"it has {size / 1e6:.0f} MB, and a program without its weights has less than {MOST_BYTES / 1e6:.0f}"
    data = path.read_bytes()
    place, blocks, fields = 0, 0, 0
    while place < len(data):
        start, fields = place, fields + 1
        if fields > _MOST_FIELDS:
            return f"it has more than {_MOST_FIELDS} fields"
        field = _next_field(data, place)
        if field is None:
            return f"what begins at byte {start} of {size} is cut short, or is no protobuf"
        number, place = field
        if number not in _FIELDS:
            return f"at byte {start} it has a field that programs have not ({number})"
        blocks += number == _BLOCKS
    return "" if blocks else "it has no block of ops"


def _next_field(data: bytes, place: int) -> tuple[int, int] | None:
    """Number of the field at `place` and where the next one begins; None where it is no message within the data."""
    tag = _varint(data, place)
    if tag is None or tag[0] & 7 != _MESSAGE:
        return None
    length = _varint(data, tag[1])
    if length is None or length[0] + length[1] > len(data):
        return None
    return tag[0] >> 3, length[0] + length[1]


def _varint(data: bytes, place: int) -> tuple[int, int] | None:
    value = shift = 0
    while place < len(data) and shift < 70:
        byte = data[place]
        value |= (byte & 0x7F) << shift
        place += 1
        if byte < 0x80:
            return value, place
        shift += 7
    return None
