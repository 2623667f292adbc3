"""`edgewright explain`."""

from __future__ import annotations

import textwrap
from typing import Annotated

import typer

from edgewright.cli import options as o
from edgewright.cli.verb import verb

HELP = """Explain a finding code: what it means and what to do.

Example: edgewright explain EW301
"""


@verb
def command(
    code: Annotated[str, typer.Argument(metavar="CODE", help="A code such as EW301, or 'all' for a list.")],
    as_json: o.AsJson = False,
) -> int:
    """See HELP."""
    from edgewright.cli.console import out, out_json
    from edgewright.findings import catalogue, explain

    if code.lower() == "all":
        entries = list(catalogue().values())
        if as_json:
            out_json([{"code": entry.code, "title": entry.title} for entry in entries])
        else:
            out("\n".join(f"{entry.code}  {entry.title}" for entry in entries))
        return 0
    entry = explain(code)
    if as_json:
        out_json({**entry.__dict__, "remedies": list(entry.remedies)})
        return 0
    out(f"{entry.code}  {entry.title}\n")
    out(textwrap.fill(entry.meaning, 100))
    for remedy in entry.remedies:
        out(textwrap.fill(remedy, 100, initial_indent="  - ", subsequent_indent="    "))
    if entry.source:
        out(f"\nSource: {entry.source}")
    return 0
