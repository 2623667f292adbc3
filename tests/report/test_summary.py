"""The `--json` object keeps to its schema, whatever the report holds."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from edgewright.errors import ModelError
from edgewright.report.summary import error_json, plain, summary_json, summary_schema
from edgewright.verify.results import RunReport

TYPES: dict[str, Any] = {
    "boolean": bool, "object": dict, "array": list, "string": str, "number": (int, float), "integer": int,
    "null": type(None),
}  # fmt: skip
KNOWN = {
    "$schema", "$id", "$defs", "$ref", "title", "description", "type", "required", "additionalProperties", "properties",
    "items", "enum", "const", "pattern", "minimum", "if", "then", "else", "not",
}  # fmt: skip


def problems(value: Any, schema: dict[str, Any], at: str = "$") -> list[str]:
    """What is wrong with `value`: the part of JSON Schema 2020-12 that the file uses, and no other keyword."""
    assert set(schema) <= KNOWN, f"the checker does not know {set(schema) - KNOWN}"
    if "$ref" in schema:
        return problems(value, summary_schema()["$defs"][schema["$ref"].rsplit("/", 1)[1]], at)
    wrong = []
    if "type" in schema:
        names = [schema["type"]] if isinstance(schema["type"], str) else schema["type"]
        fits = "boolean" in names if isinstance(value, bool) else any(isinstance(value, TYPES[name]) for name in names)
        if not fits:
            return [f"{at}: {value!r} is not {names}"]
    if "const" in schema and value != schema["const"]:
        wrong.append(f"{at}: {value!r} is not {schema['const']!r}")
    if "enum" in schema and value not in schema["enum"]:
        wrong.append(f"{at}: {value!r} is not one of {schema['enum']}")
    if "pattern" in schema and not re.search(schema["pattern"], value):
        wrong.append(f"{at}: {value!r} does not match")
    if "minimum" in schema and value is not None and value < schema["minimum"]:
        wrong.append(f"{at}: {value!r} is too small")
    if isinstance(value, dict):
        known = schema.get("properties", {})
        wrong += [f"{at}: {key} is missing" for key in schema.get("required", ()) if key not in value]
        if schema.get("additionalProperties") is False:
            wrong += [f"{at}: {key} is not known" for key in value if key not in known]
        for key, item in value.items():
            wrong += problems(item, known.get(key, {}), f"{at}.{key}")
    if isinstance(value, list):
        for index, item in enumerate(value):
            wrong += problems(item, schema.get("items", {}), f"{at}[{index}]")
    if "if" in schema:
        branch = "else" if problems(value, schema["if"], at) else "then"
        wrong += problems(value, schema.get(branch, {}), at)
    if "not" in schema and not problems(value, schema["not"], at):
        wrong.append(f"{at}: must not be so")
    return wrong


@pytest.mark.parametrize("name", ["passed", "hostile", "empty", "unknown_head"])
def test_summary_keeps_to_the_schema(name: str, request: pytest.FixtureRequest) -> None:
    report = request.getfixturevalue(name)
    made = summary_json(report, bundle=Path("runs/a/bundle"), report_path="r.html", run_dir=None, seconds=1.23456)
    assert json.loads(json.dumps(made, allow_nan=False)) == made
    assert problems(made, summary_schema()) == []


def test_summary_tells_the_figures(passed: RunReport) -> None:
    made = summary_json(passed, bundle=None, report_path=None, run_dir="runs/a", seconds=48.0)
    assert list(made) == summary_schema()["required"]
    assert made["verdict"] == "passed"
    assert made["variants"][1] == {
        "name": "int8",
        "ran_on": "onnxruntime 1.31.1 cpu",
        "latency_ms": 20.9,
        "latency_source": "measured",
        "metric": "AP",
        "value": 39.1,
        "drop": 5.2,
        "images": 64,
        "verdict": "failed",
    }
    assert made["variants"][3]["value"] is None
    assert made["findings"][5]["evidence"]["lost"] == 8397


def test_figures_that_are_not_finite_are_null(hostile: RunReport) -> None:
    made = summary_json(hostile, bundle=None, report_path=None, run_dir=None, seconds=0.0)
    assert made["variants"][0]["latency_ms"] is None
    assert made["variants"][0]["value"] is None
    assert len(made["findings"]) == 300


def test_error_keeps_to_the_schema() -> None:
    error = ModelError("the model cannot be read", where="a.onnx", why="it ends early", todo="export it again")
    made = error_json(error, "onnxruntime/cpu", 0.2)
    assert problems(made, summary_schema()) == []
    assert made["error"] == {
        "what": "the model cannot be read",
        "where": "a.onnx",
        "why": "it ends early",
        "do": "export it again",
    }
    assert problems({**made, "verdict": "passed"}, summary_schema()) != []
    del made["error"]
    assert problems(made, summary_schema()) != []


def test_every_field_is_described() -> None:
    schema = summary_schema()
    groups = [schema["properties"], *(entry["properties"] for entry in schema["$defs"].values())]
    missing = [
        key for group in groups for key, entry in group.items() if "$ref" not in entry and not entry.get("description")
    ]
    assert missing == []


def test_plain_takes_what_is_not_json() -> None:
    import numpy as np

    made = plain({"a": np.float32("nan"), 1: (np.int64(2), Path("b")), "c": np.ones(2), "d": True})
    assert made == {"a": None, "1": [2, "b"], "c": [1.0, 1.0], "d": True}
