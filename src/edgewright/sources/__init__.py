"""Where a model comes from: ONNX files, and exports of frameworks that are taken to ONNX and proven there."""

from edgewright.sources import (
    onnx as onnx,
)
from edgewright.sources import (
    paddle as paddle,
)
from edgewright.sources.base import is_folder_source, source_kind, source_name

__all__ = ["is_folder_source", "source_kind", "source_name"]
