"""Reading label files of unknown origin: limits, encodings, and what is said when they do not hold."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from pathlib import Path

from edgewright.errors import DataError

MAX_FILES = 2_000_000  # files below a folder of labels


def read_text(path: Path, limit: int) -> str:
    """Text of a UTF-8 file of at most `limit` bytes, with or without byte order mark.

    Raises:
        DataError: unreadable, too large, or not UTF-8.
    """
    try:
        size = path.stat().st_size
        if size > limit:
            raise DataError(
                f"this label file has {size / 2**20:.0f} MiB, more than the {limit / 2**20:.0f} MiB that are read",
                where=str(path),
                todo="check that this is a label file",
            )
        return path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(
            "this label file is not UTF-8 text",
            where=f"{path}, byte {error.start}",
            todo="save it as UTF-8, or check that this is a label file",
        ) from None
    except OSError as error:
        raise DataError("this label file cannot be read", where=str(path), why=str(error.strerror)) from error


def files_below(folder: Path, suffix: str) -> list[Path]:
    """Files with this suffix below `folder`, sorted; hidden ones left out.

    Raises:
        DataError: there are more than `MAX_FILES`.
    """
    found: list[Path] = []
    for path in folder.rglob(f"*{suffix}"):
        if not path.name.startswith("."):
            found.append(path)
        if len(found) > MAX_FILES:
            raise DataError(f"more than {MAX_FILES} label files", where=str(folder), todo="name a smaller folder")
    return sorted(found)


def file_of(image: Path, files: Sequence[Path]) -> Path | None:
    """The label file of an image among those with its stem; of several, the one in a folder of the same name (split).

    Raises:
        DataError: several fit, or none of several.
    """
    if len(files) < 2:
        return files[0] if files else None
    split = [file for file in files if file.parent.name == image.parent.name]
    if len(split) != 1:
        raise DataError(
            f"{len(files)} label files belong to {image.name}",
            where=", ".join(str(file) for file in files[:3]),
            todo="name the folder of labels that belongs to the folder of images",
        )
    return split[0]


def number(text: str) -> float:
    """A finite number.

    Raises:
        ValueError: it is none.
    """
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text} is not finite")
    return value


def by_name(names: Sequence[str], wanted: Iterable[str], path: Path) -> dict[str, int]:
    """Class id of each class of the labels, by its name in the model's list, letter case aside.

    Raises:
        DataError: the model has no such class.
    """
    ids = {name.casefold(): place for place, name in enumerate(names)}
    found = {}
    for name in wanted:
        if name.casefold() not in ids:
            raise DataError(
                f"class {name!r} is labelled, but the model has no such class",
                where=str(path),
                why=f"the model's classes are {', '.join(names[:8])}{', ...' if len(names) > 8 else ''}",
                todo="use the labels that belong to this model",
            )
        found[name] = ids[name.casefold()]
    return found
