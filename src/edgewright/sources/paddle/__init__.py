"""Paddle models: a folder that PaddleDetection exported, or a program file with its weights beside it."""

from __future__ import annotations

from pathlib import Path

from edgewright.sources.base import SOURCES, SourceKind
from edgewright.sources.paddle.export import export_files, find_export, is_export


def _check(path: Path) -> None:
    """The files, and that their description can be understood."""
    export = find_export(path)
    if export.config is not None:
        from edgewright.sources.paddle.contract import contract_of
        from edgewright.sources.paddle.infer_cfg import read_config

        contract_of(read_config(export.config), "image", export.config)


SOURCES.add("paddle", SourceKind("paddle", "Paddle", is_export, export_files, _check))
