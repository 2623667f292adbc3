"""An ONNX file, with the files of its external data."""

from __future__ import annotations

from pathlib import Path

from edgewright.graph.io import model_files
from edgewright.sources.base import SOURCES, SourceKind


def _takes(path: Path) -> bool:
    return path.is_file()


def _check(path: Path) -> None:
    """A missing file; whoever reads the model says everything else."""
    if not path.is_file():
        model_files(path)


SOURCES.add("onnx", SourceKind("onnx", "ONNX", _takes, model_files, _check))
