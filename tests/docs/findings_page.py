"""docs/findings.md, made from the catalogue: `edgewright explain` and the page cannot disagree."""

from __future__ import annotations

import textwrap

from edgewright.findings import Explanation, catalogue
from tests.docs.blocks import ROOT

PAGE = ROOT / "docs" / "findings.md"
_GROUPS = {
    "1": "model and preparation",
    "2": "data and calibration",
    "3": "causes in the quantised graph",
    "4": "outputs and verdict",
    "5": "time",
    "6": "target and toolchain",
    "7": "known issues and bundle",
}
_HEAD = """\
# Findings

All codes that Edgewright knows, as `edgewright explain CODE` prints them. A finding of a run adds where, the evidence
and what was done. This page is made from `src/edgewright/catalogue.toml` by `python -m tests.docs.update`; do not edit
it.
"""


def findings_page() -> str:
    """The whole page."""
    parts, group = [_HEAD], ""
    for entry in catalogue().values():
        if entry.code[2] != group:
            group = entry.code[2]
            parts.append(f"## EW{group}xx: {_GROUPS[group]}\n")
        parts.append(_entry(entry))
    return "\n".join(parts)


def _entry(entry: Explanation) -> str:
    lines = [f"### {entry.code} {entry.title}", "", *textwrap.wrap(entry.meaning, 120), ""]
    if entry.remedies:
        lines += [f"- {remedy}" for remedy in entry.remedies] + [""]
    if entry.source:
        lines += [f"Source: {entry.source}.", ""]
    return "\n".join(lines)
