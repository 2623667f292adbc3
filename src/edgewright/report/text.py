"""Names and figures as text, the same in the terminal, on the page and in messages.

Names come from files that others wrote: they may hold escape sequences, line breaks or marks that turn text round.
`clean` shows such characters instead of letting them act.
"""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Mapping, Sequence
from pathlib import PurePath
from typing import Any

LONGEST = 2000  # characters of one name or message that are shown
MOST_ITEMS = 12  # entries of a list that are shown


def clean(text: str, longest: int = LONGEST) -> str:
    """`text` on one line without characters that act on a terminal or turn the reading direction."""
    if len(text) > longest:
        half = longest // 2
        text = f"{text[:half]} ... {text[-half:]}"
    return "".join(_visible(char) for char in text)


def _visible(char: str) -> str:
    if char in "\n\r\t":
        return " "
    # Cc: escape sequences; Cf: right-to-left overrides and the like; Cs: lone surrogates, which UTF-8 cannot hold
    if unicodedata.category(char) in ("Cc", "Cf", "Cs") or char in "\u2028\u2029":
        return f"\\u{ord(char):04x}"
    return char


def encodable(text: str, encoding: str) -> str:
    """`text` with every character that `encoding` lacks written as an escape, so that printing cannot fail."""
    return text.encode(encoding, "backslashreplace").decode(encoding)


def finite(value: Any) -> float | None:
    """`value` as a float; None for None, NaN, infinities and what is not a number."""
    if isinstance(value, bool) or value is None:
        return None
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) else None


def figure(value: float | None, missing: str = "-") -> str:
    """Three significant digits: `0.0421`, `3.1e-6`, `1240`; 0 is `0`."""
    number = finite(value)
    if number is None:
        return missing
    if number == 0:
        return "0"
    size = abs(number)
    if size < 1e-3 or size >= 1e6:
        mantissa, exponent = f"{number:.1e}".split("e")
        return f"{mantissa}e{int(exponent)}"
    if size >= 100:
        return f"{number:.0f}"
    return f"{number:.3g}"


def signed(value: float, text: str) -> str:
    """`text` of a change with its sign; a change that rounds to nothing has none."""
    unsigned = text.lstrip("-")
    if not any(char in "123456789" for char in unsigned.split("e")[0]):
        return unsigned
    return f"-{unsigned}" if value < 0 else f"+{unsigned}"


def milliseconds(value: float | None) -> str:
    """`41 ms`, `3.4 ms`, `0.62 ms`, or `-`."""
    number = finite(value)
    if number is None:
        return "-"
    digits = 0 if number >= 10 else 1 if number >= 1 else 2
    return f"{number:.{digits}f} ms"


def seconds(value: float | None) -> str:
    """`48 s`, `1.3 s`, `0.02 s`, `3 min 20 s`, or `-`."""
    number = finite(value)
    if number is None:
        return "-"
    if number >= 120:
        return f"{int(number // 60)} min {int(number % 60)} s"
    digits = 0 if number >= 10 else 1 if number >= 1 else 2
    return f"{number:.{digits}f} s"


def plural(count: int, word: str) -> str:
    """`1 image`, `3 images`."""
    return f"{count} {word}" if count == 1 else f"{count} {word}s"


def value_text(value: Any) -> str:
    """A JSON value on one line: lists shortened, tensor descriptions as `name: float32[1x3x640x640]`."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < 1e9 else figure(value, "not finite")
    if isinstance(value, (str, int, PurePath)):
        return str(value)
    if isinstance(value, Mapping):
        return _mapping_text(value)
    if isinstance(value, Sequence):
        return _joined([value_text(item) for item in value[:MOST_ITEMS]], len(value))
    return str(value)


def _mapping_text(value: Mapping[Any, Any]) -> str:
    if set(value) == {"name", "dtype", "shape"} and isinstance(value["shape"], Sequence):
        shape = "x".join("?" if size is None else str(size) for size in value["shape"])
        return f"{value['name']}: {value['dtype']}[{shape}]"
    items = list(value.items())[:MOST_ITEMS]
    return _joined([f"{key}: {value_text(item)}" for key, item in items], len(value)) or "-"


def _joined(shown: Sequence[str], count: int) -> str:
    more = [f"and {count - len(shown)} more"] if count > len(shown) else []
    return ", ".join([*shown, *more]) or "-"
