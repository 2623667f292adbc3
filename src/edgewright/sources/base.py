"""Which kind of source a path is, and what it is made of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from edgewright.registry import Registry


@dataclass(frozen=True)
class SourceKind:
    """A form in which a trained model comes.

    Attributes:
        name: "onnx", "paddle".
        title: what people call it.
        takes: whether a path is of this form; looks at names and first bytes, never raises for what a file holds.
        files: the files that a path of this form stands for, the first of which names the program. Raises UserError
            for what cannot be one.
        check: raises UserError for whatever is wrong that can be seen at once and without the framework.
    """

    name: str
    title: str
    takes: Callable[[Path], bool]
    files: Callable[[Path], list[Path]]
    check: Callable[[Path], None]


SOURCES: Registry[SourceKind] = Registry("source")
_PLAIN = "onnx"
"""Takes whatever nobody else does."""


def source_kind(path: Path) -> SourceKind:
    """The form of the model at `path`; ONNX where nothing else takes it, whose loader then says what is wrong."""
    others = (kind for kind in SOURCES if kind.name != _PLAIN)
    return next((kind for kind in others if kind.takes(path)), SOURCES.get(_PLAIN))


def is_folder_source(path: Path) -> bool:
    """Whether a folder is a model, and not a bundle or a run directory."""
    return path.is_dir() and source_kind(path).name != _PLAIN


def source_name(path: Path) -> str:
    """A short name for a model: a folder's own, or a file's without its suffix."""
    return (path.resolve().name if path.is_dir() else path.stem) or "model"
