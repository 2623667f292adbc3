"""Which relative paths a bundle may hold: those that mean the same, harmless, place on every system."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable

MAX_PATH = 240  # characters; Windows allows 260 for the whole
MAX_PART = 120
MAX_DEPTH = 8
_FORBIDDEN = set('\\:<>"|?*')
_RESERVED = {"con", "prn", "aux", "nul", *(f"{port}{n}" for port in ("com", "lpt") for n in range(1, 10))}


def path_problem(path: str) -> str:
    """Why `path` may not stand in a bundle, or an empty string when it may."""
    if not path or len(path) > MAX_PATH:
        return f"it has {len(path)} characters, 1..{MAX_PATH} are allowed"
    if any(unicodedata.category(char).startswith("C") for char in path):
        return "it holds a control character"
    if path.startswith("/"):
        return "it is absolute"
    if forbidden := _FORBIDDEN.intersection(path):
        return f"it holds {' '.join(sorted(forbidden))}"
    parts = path.split("/")
    if len(parts) > MAX_DEPTH:
        return f"it is {len(parts)} folders deep, {MAX_DEPTH} are allowed"
    for part in parts:
        if part in ("", ".", ".."):
            return f"it climbs or repeats: it has the component {part!r}"
        if len(part) > MAX_PART:
            return f"a component has {len(part)} characters, {MAX_PART} are allowed"
        if part[-1] in ". " or part.split(".")[0].strip().lower() in _RESERVED:
            return f"{part!r} means something else on Windows"
    return ""


def paths_problem(paths: Iterable[str]) -> str:
    """The first path that may not stand in a bundle, or not beside the others, as `'path': reason`; else empty."""
    seen: dict[str, str] = {}
    for path in paths:
        if reason := path_problem(path):
            return f"{path[:MAX_PATH]!r}: {reason}"
        key = _key(path)
        if key in seen:
            return f"{path!r}: it is the same as {seen[key]!r} on a system that ignores case"
        seen[key] = path
    for key, path in seen.items():
        above = key.split("/")
        for depth in range(1, len(above)):
            if "/".join(above[:depth]) in seen:
                return f"{path!r}: a part of it is a file as well"
    return ""


def _key(path: str) -> str:
    return unicodedata.normalize("NFC", path).casefold()
