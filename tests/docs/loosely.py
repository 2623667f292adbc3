"""Output as a page shows it against output as it is: figures, hashes, versions and line breaks may differ."""

from __future__ import annotations

import re
from collections.abc import Sequence

ELISION = "..."
_TIMES = re.compile(r"\d{4}-\d\d-\d\dT[\d:.]+(Z|\+00:00)?")
_MINUTES = re.compile(r"\b\d+ min \d+ s\b")
_HASHES = re.compile(r"\b[0-9a-f]{12,64}\b")
_FIGURES = re.compile(r"(?<![\w.])[-+]?\d+(\.\d+)*(e[-+]?\d+)?(?!\w)")


def words(lines: Sequence[str]) -> list[str]:
    """Words with every figure masked; what is said of this CPU alone (findings EW5xx) is left out."""
    text = _MINUTES.sub("1 s", "\n".join(_without_cpu_findings(lines)))  # a busy machine takes minutes
    for pattern in (_TIMES, _HASHES, _FIGURES):
        text = pattern.sub("#", text)
    return text.split()


def split(expected: Sequence[str]) -> list[list[str]]:
    """The lines between elisions; the first or the last is empty where the page begins or ends with one."""
    chunks: list[list[str]] = [[]]
    for line in expected:
        if line.strip() == ELISION:
            chunks.append([])
        else:
            chunks[-1].append(line)
    return chunks


def mismatch(expected: Sequence[str], actual: Sequence[str]) -> str:
    """What the page says that the program does not; empty when it fits.

    Between two elisions the order of words does not count: a table that is a little wider breaks its lines elsewhere.
    """
    said, at = words(actual), 0
    chunks = split(expected)
    for place, chunk in enumerate(chunks):
        wanted = sorted(words(chunk))
        first, last = place == 0, place == len(chunks) - 1
        starts = [0] if first else [len(said) - len(wanted)] if last and wanted else range(at, len(said) + 1)
        found = next(
            (start for start in starts if start >= at and sorted(said[start : start + len(wanted)]) == wanted), None
        )
        if found is None or (first and last and len(said) != len(wanted)):
            return f"the page shows\n  {' '.join(words(chunk))}\nthe program says\n  {' '.join(said[at:])}"
        at = found + len(wanted)
    return ""


def _without_cpu_findings(lines: Sequence[str]) -> list[str]:
    kept, dropping = [], False
    for line in lines:
        dropping = bool(re.match(r"EW5\d\d ", line)) or (dropping and line.startswith(" "))
        if not dropping:
            kept.append(line)
    return kept
