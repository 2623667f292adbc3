"""Detections of many images in one file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from edgewright.tasks.detection.detections import Detections


def save_detections(path: Path, found: Mapping[str, Mapping[str, Detections]]) -> None:
    """Write detections, by stage and by image name, as one .npz file."""
    arrays: dict[str, Any] = {}
    for stage, detections in found.items():
        names = sorted(detections)
        arrays[f"{stage}/names"] = np.array(names, dtype=np.str_)
        arrays[f"{stage}/counts"] = np.array([len(detections[name]) for name in names], np.int64)
        for attribute in ("xyxy", "scores", "class_ids"):
            rows = [getattr(detections[name], attribute) for name in names]
            arrays[f"{stage}/{attribute}"] = np.concatenate(rows) if rows else np.zeros(0)
    np.savez_compressed(path, **arrays)


def detections_of(arrays: Mapping[str, Any], stage: str, names: tuple[str, ...]) -> dict[str, Detections]:
    """Detections of a stage by image name, from the arrays of such a file; empty when it holds none of the stage."""
    if f"{stage}/names" not in arrays:
        return {}
    ends = np.cumsum(arrays[f"{stage}/counts"])
    result = {}
    for image, start, end in zip(arrays[f"{stage}/names"], [0, *ends[:-1]], ends, strict=True):
        rows = [arrays[f"{stage}/{attribute}"][start:end] for attribute in ("xyxy", "scores", "class_ids")]
        result[str(image)] = Detections(rows[0], rows[1], rows[2], names)
    return result
