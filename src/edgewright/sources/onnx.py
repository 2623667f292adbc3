"""An ONNX file, with the files of its external data."""

from __future__ import annotations

from pathlib import Path

from edgewright.graph.io import model_files
from edgewright.sources.base import SOURCES, SourceKind


def _takes(path: Path) -> bool:
    return path.is_file()


SOURCES.add("onnx", SourceKind("onnx", "ONNX", _takes, model_files))
