"""`edgewright inspect`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from edgewright.cli import options as o
from edgewright.cli.verb import verb

HELP = (
    """Show what a model or a bundle is: signature, parts, head family, regions, preprocessing contract, provenance."""
)


@verb
def command(
    path: Annotated[Path, typer.Argument(metavar="MODEL|BUNDLE", help="ONNX file, Paddle export or bundle.")],
    task: o.MaybeTask = None,
    input_shape: o.InputShapes = None,
    as_json: o.AsJson = False,
) -> int:
    """See HELP."""
    from edgewright.cli.console import out, out_json
    from edgewright.workflow.inspect import inspect_path

    facts = inspect_path(path, task=task, shapes=o.shapes(input_shape))
    if as_json:
        out_json(facts)
    else:
        for line in _lines(facts):
            out(line)
    return 0


def _lines(facts: dict[str, Any], indent: str = "") -> list[str]:
    lines: list[str] = []
    for name, value in facts.items():
        label = f"{indent}{name.replace('_', ' ')}"
        if isinstance(value, dict) and value:
            lines += [label, *_lines(value, indent + "  ")]
        elif isinstance(value, list) and any(isinstance(entry, dict) for entry in value):
            lines.append(label)
            lines += [f"{indent}  {_row(entry)}" for entry in value]
        else:
            lines.append(f"{label:<24} {_cell(value)}")
    return lines


def _row(entry: Any) -> str:
    if not isinstance(entry, dict):
        return str(entry)
    if {"code", "message"} <= entry.keys():
        return f"{entry['code']}  {entry['message']} {entry.get('remedy') or ''}".rstrip()
    return "  ".join(f"{key} {_cell(value)}" for key, value in entry.items() if value not in (None, "", [], {}))


def _cell(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(_cell(entry) for entry in value) or "-"
    if isinstance(value, dict) and value:
        return f"({', '.join(f'{key} {_cell(entry)}' for key, entry in value.items())})"
    if isinstance(value, float):
        return str(float(f"{value:.6g}"))
    return "-" if value in (None, "", {}) else str(value)
