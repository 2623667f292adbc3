"""Paddle models: a folder that PaddleDetection exported, or a program file with its weights beside it."""

from __future__ import annotations

from edgewright.sources.base import SOURCES, SourceKind
from edgewright.sources.paddle.export import export_files, is_export

SOURCES.add("paddle", SourceKind("paddle", "Paddle", is_export, export_files))
