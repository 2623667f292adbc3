"""`edgewright bench`."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Optional

import typer

from edgewright.cli import options as o
from edgewright.cli.verb import verb

if TYPE_CHECKING:
    from edgewright.workflow.benched import Benched, Row

HELP = """Time each stage of a bundle's frames on this host, beside what its memory allows and beside the plain way.

Example: edgewright bench runs/model-cpu/bundle --frames 200
"""


@verb
def command(
    bundle: Annotated[Path, typer.Argument(metavar="BUNDLE", help="Bundle folder or zip.")],
    source: Annotated[
        Optional[str],  # noqa: UP045 - typer evaluates annotations on 3.10 as well
        typer.Argument(metavar="IMAGE|DIR|VIDEO|camera:N", help="Frames. [default: the bundle's golden images]"),
    ] = None,
    count: Annotated[int, typer.Option("--frames", metavar="N", min=1, help="Number of frames.")] = 200,
    as_json: o.AsJson = False,
) -> int:
    """See HELP."""
    from edgewright.cli.console import out, out_json, progress
    from edgewright.workflow.benched import bench

    started = time.perf_counter()
    found = bench(bundle, source, count, progress(quiet=as_json))
    if as_json:
        out_json(found.to_json())
        return 0
    for line in lines_of(found):
        out(line)
    out(f"PASSED  {found.target}  {found.frames} frames  in {time.perf_counter() - started:.1f} s")
    return 0


def lines_of(found: Benched) -> list[str]:
    """The table, a line each."""
    head = f"{'stage':<12} {'median':>9} {'p90':>9} {'share':>6} {'limit':>9} {'x limit':>8} {'plain':>9}"
    share = 100 * found.host / found.frame
    return [
        f"{found.target} on {found.ran_on}: {found.source}",
        head,
        *(_line(row) for row in found.rows),
        f"frame {found.frame:.3f} ms; host {found.host:.3f} ms, {share:.1f} % of it (plain: {found.plain_host:.3f} ms)",
        f"stream: {found.stream:.1f} frames a second; one after the other: {found.alone:.1f}",
        "limit: what copying the stage's bytes takes here; plain: the same stage on float arrays, all values converted",
    ]


def _line(row: Row) -> str:
    limit = "-" if row.limit is None else f"{row.limit:.3f} ms"
    times = "-" if not row.limit else f"{row.time.median / row.limit:.1f}"
    plain = "-" if row.plain is None else f"{row.plain:.3f} ms"
    return (
        f"{row.time.stage:<12} {row.time.median:>6.3f} ms {row.time.p90:>6.3f} ms {100 * row.time.share:>4.1f} % "
        f"{limit:>9} {times:>8} {plain:>9}"
    )
