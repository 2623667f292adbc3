"""Class names that lie beside labels: classes.txt, obj.names, or the names of a data.yaml."""

from __future__ import annotations

import re
from pathlib import Path

from edgewright.data.labels.reading import read_text
from edgewright.errors import DataError

_LISTS = ("classes.txt", "obj.names", "names.txt")
_YAML = ("data.yaml", "data.yml", "dataset.yaml", "dataset.yml")
NAME_FILES = frozenset(_LISTS)
_MAX_BYTES = 1 << 20


def find_class_names(folder: Path) -> tuple[str, ...]:
    """Names found in `folder` or up to two folders above it (labels/val beside data.yaml); empty if there is no file.

    Raises:
        DataError: a file is there and cannot be understood.
    """
    for place in (folder, folder.parent, folder.parent.parent):
        for name in _LISTS:
            if (place / name).is_file():
                lines = read_text(place / name, _MAX_BYTES).splitlines()
                return tuple(line.strip() for line in lines if line.strip())
        for name in _YAML:
            if (place / name).is_file():
                return names_in_yaml(read_text(place / name, _MAX_BYTES), place / name)
    return ()


def names_in_yaml(text: str, path: Path) -> tuple[str, ...]:
    """The `names` of a YOLO data file: a list in brackets, a list of dashes, or a mapping from ids.

    This reads the forms that the exporters write, not YAML in general.

    Raises:
        DataError: `names` has another form, or ids are missing.
    """
    lines = [re.sub(r"\s+#.*$", "", line).rstrip() for line in text.splitlines() if not line.lstrip().startswith("#")]
    start = next((place for place, line in enumerate(lines) if line.startswith("names:")), None)
    if start is None:
        return ()
    inline = lines[start][len("names:") :].strip()
    if inline:
        rest = iter(lines[start + 1 :])
        while inline[0] in "[{" and inline[-1] not in "]}":
            following = next(rest, None)
            if following is None:
                raise _not_understood(path)
            inline += " " + following.strip()
        entries = [entry for entry in _split(inline[1:-1]) if entry]
        form = "-" if inline[0] == "[" else ":" if inline[0] == "{" else ""
    else:
        entries = [line.strip() for line in _block(lines[start + 1 :])]
        dashes = all(entry.startswith("-") for entry in entries)
        form = "-" if dashes else ":"
        entries = [entry[1:] for entry in entries] if dashes else entries
    if not entries or not form:
        raise _not_understood(path)
    if form == "-":
        return tuple(_unquoted(entry) for entry in entries)
    return _from_mapping(entries, path)


def _from_mapping(entries: list[str], path: Path) -> tuple[str, ...]:
    found = {}
    for entry in entries:
        key, colon, value = entry.partition(":")
        if not colon or not key.strip().isdecimal():
            raise _not_understood(path)
        found[int(key)] = _unquoted(value)
    if sorted(found) != list(range(len(found))):
        raise _not_understood(path)
    return tuple(found[place] for place in range(len(found)))


def _block(lines: list[str]) -> list[str]:
    """Lines that belong to the key before them: indented, or dashes."""
    block: list[str] = []
    for line in lines:
        if line and not line[0].isspace() and not line.startswith("-"):
            break
        if line.strip():
            block.append(line)
    return block


def _split(text: str) -> list[str]:
    """Entries between commas that are not inside quotes."""
    return [entry.strip() for entry in re.findall(r"""(?:[^,'"]|'[^']*'|"[^"]*")+""", text)]


def _unquoted(text: str) -> str:
    text = text.strip()
    return text[1:-1] if len(text) > 1 and text[0] == text[-1] and text[0] in "'\"" else text


def _not_understood(path: Path) -> DataError:
    return DataError(
        "the class names in this file are of a form that is not understood",
        where=str(path),
        todo="write one name a line, in the order of the ids, into classes.txt beside the labels",
    )
