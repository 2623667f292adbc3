"""The object that `--json` prints; `summary.schema.json` beside this file describes it."""

from __future__ import annotations

import functools
import importlib.resources
import json
from collections.abc import Mapping, Sequence
from os import PathLike, fspath
from typing import Any

from edgewright.errors import EdgewrightError
from edgewright.report.text import finite
from edgewright.verify.results import RunReport, Variant

SCHEMA_VERSION = 1
Place = str | PathLike[str] | None


def summary_json(
    report: RunReport,
    *,
    bundle: Place,
    report_path: Place,
    run_dir: Place,
    seconds: float,
    toolchain_seconds: float = 0.0,
) -> dict[str, Any]:
    """The result of a run as JSON data.

    Args:
        report: what the run found.
        bundle, report_path, run_dir: where the results lie; None for what was not written.
        seconds: wall time of the whole command.
        toolchain_seconds: of it, waiting for the vendor's own processes.
    """
    return {
        "schema_version": SCHEMA_VERSION,
        "verdict": report.verdict.word,
        "target": report.verdict.target,
        "variants": [_variant(variant) for variant in report.variants],
        "findings": [plain(finding.to_json()) for finding in report.findings],
        "repairs": [plain(search) for search in report.repairs],
        "bundle": _place(bundle),
        "report": _place(report_path),
        "run_dir": _place(run_dir),
        "seconds": _rounded(seconds, 3),
        "toolchain_seconds": _rounded(toolchain_seconds, 3),
    }


def error_json(error: EdgewrightError, target: str, seconds: float) -> dict[str, Any]:
    """The same object for a command that ended in an error, with the error's four answers."""
    return {
        "schema_version": SCHEMA_VERSION,
        "verdict": "error",
        "target": target,
        "variants": [],
        "findings": [],
        "repairs": [],
        "bundle": None,
        "report": None,
        "run_dir": None,
        "seconds": _rounded(seconds, 3),
        "toolchain_seconds": 0.0,
        "error": {"what": error.what, "where": error.where, "why": error.why, "do": error.todo},
    }


@functools.cache
def summary_schema() -> dict[str, Any]:
    """JSON Schema (draft 2020-12) of both objects."""
    file = importlib.resources.files("edgewright.report").joinpath("summary.schema.json")
    schema: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return schema


def plain(value: Any) -> Any:
    """`value` as strict JSON data: NaN and infinities become None, arrays lists, anything unknown its text."""
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float):
        return finite(value)
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (Sequence, set, frozenset)) and not isinstance(value, (bytes, bytearray)):
        return [plain(item) for item in value]
    if hasattr(value, "tolist"):  # NumPy scalars and arrays
        return plain(value.tolist())
    return str(value)


def _variant(variant: Variant) -> dict[str, Any]:
    metric, latency = variant.metric, variant.latency
    return {
        "name": variant.name,
        "ran_on": variant.ran_on,
        "latency_ms": _rounded(latency.median_ms, 4) if latency else None,
        "latency_source": latency.source if latency else None,
        "metric": metric.name if metric else None,
        "value": _rounded(metric.value, 6) if metric else None,
        "drop": _rounded(variant.drop, 6),
        "images": metric.images if metric else None,
        "verdict": variant.verdict,
    }


def _rounded(value: float | None, digits: int) -> float | None:
    number = finite(value)
    return None if number is None else round(number, digits)


def _place(place: Place) -> str | None:
    return None if place is None else fspath(place)
