"""The object that `analyse --json` prints; `analysis.schema.json` beside this file describes it."""

from __future__ import annotations

import functools
import importlib.resources
import json
from os import PathLike, fspath
from typing import Any, Protocol

from edgewright.diagnose.analysis import Analysis
from edgewright.diagnose.chips import ChipComparison
from edgewright.diagnose.extract import Piece
from edgewright.diagnose.vendor_layers import VendorLayers
from edgewright.report.layers_rows import summary_of
from edgewright.report.summary import plain

SCHEMA_VERSION = 1
Place = str | PathLike[str]


class Extracted(Protocol):
    """A piece, and the folder that it was written to."""

    @property
    def piece(self) -> Piece:
        """What was extracted."""

    @property
    def folder(self) -> PathLike[str]:
        """Where it lies."""


def layers_json(
    analysis: Analysis,
    extracted: Extracted | None,
    report_path: Place,
    run_dir: Place,
    seconds: float,
    against: ChipComparison | None = None,
) -> dict[str, Any]:
    """An analysis as JSON data; numbers that are not finite are None.

    Args:
        analysis: what was found.
        extracted: the smallest failing piece that was asked for.
        report_path, run_dir: where the results lie.
        seconds: wall time of the whole command.
        against: another chip beside this one.
    """
    ranks = {error.tensor: rank for rank, error in enumerate(analysis.ranked(), start=1)}
    metric, reference = analysis.metric, analysis.reference
    found = {
        "schema_version": SCHEMA_VERSION,
        "verdict": "void" if analysis.is_void else "analysed",
        "summary": summary_of(analysis),
        "target": analysis.target,
        "precision": analysis.precision,
        "observer": analysis.observer,
        "model": {"name": analysis.model.get("name"), "digest": analysis.model.get("digest")},
        "images": dict(analysis.images),
        "metric": None if metric is None else metric.name,
        "reference_value": None if reference is None else reference.value,
        "value": None if metric is None else metric.value,
        "drop": analysis.drop,
        "parts": [dict(loss.__dict__) for loss in analysis.parts],
        "tensors": [{**error.to_json(), "rank": ranks.get(error.tensor)} for error in analysis.tensors],
        "regions": analysis.by_region(),
        "unknown": list(analysis.unknown),
        "findings": [finding.to_json() for finding in analysis.findings],
        "vendor": None if analysis.vendor is None else _vendor(analysis.vendor, analysis),
        "against": None if against is None else against.to_json(),
        "extracted": None if extracted is None else _extracted(extracted),
        "report": fspath(report_path),
        "run_dir": fspath(run_dir),
        "seconds": round(seconds, 3),
    }
    return {key: plain(value) for key, value in found.items()}


@functools.cache
def layers_schema() -> dict[str, Any]:
    """JSON Schema (draft 2020-12) of the object."""
    file = importlib.resources.files("edgewright.report").joinpath("analysis.schema.json")
    schema: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return schema


def _vendor(found: VendorLayers, analysis: Analysis) -> dict[str, Any]:
    noticed = {loss.part: loss.noticed for loss in analysis.parts}
    data = found.to_json()
    for part, row in zip(found.parts, data["parts"], strict=True):
        row["predicted"] = part.is_predicted(noticed[part.part])
    return data


def _extracted(extracted: Extracted) -> dict[str, Any]:
    piece = extracted.piece
    return {
        "tensor": piece.tensor,
        "nodes": list(piece.nodes),
        "error": {"whole": piece.told.whole, "by_channel": piece.told.by_channel},
        "accumulated": {"whole": piece.network.whole, "by_channel": piece.network.by_channel},
        "image": piece.image,
        "folder": fspath(extracted.folder),
    }
