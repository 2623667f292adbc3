"""The tensors of a vendor's own build in words."""

from __future__ import annotations

from collections import Counter

from edgewright.diagnose.analysis import Analysis
from edgewright.diagnose.chips import is_worse
from edgewright.diagnose.vendor_layers import VendorLayers, VendorTensor
from edgewright.findings import listed
from edgewright.report.layers_rows import percent
from edgewright.report.sheets import Sheet
from edgewright.report.text import plural

_NOT_IN_FLOAT = "-"


def vendor_intro(found: VendorLayers) -> str:
    """What ran where."""
    return (
        f"{found.where}: {plural(len(found.tensors), 'tensor')} on {plural(found.images, 'image')}, "
        f"ops alone on {found.single_images}"
    )


def vendor_parts(found: VendorLayers) -> Sheet:
    """Parts of the outputs there, in the emulation, and how far the two are from each other."""
    rows = tuple((part.part, percent(part.vendor), percent(part.emulated), percent(part.apart)) for part in found.parts)
    return Sheet(("part", "there", "emulated", "apart"), 1, rows, vendor_intro(found))


def vendor_tensors(found: VendorLayers, analysis: Analysis | None = None) -> Sheet:
    """Tensors in order of depth, or, with an analysis, in the order of harm, those without a grid last."""
    ranks = {} if analysis is None else {error.tensor: rank for rank, error in enumerate(analysis.ranked())}
    order = sorted(found.tensors, key=lambda row: (ranks.get(row.tensor, len(ranks)), row.depth))
    columns = ("op", "type", "there", "emulated", "apart", "alone there", "emulated alone")
    return Sheet(columns, 2, tuple(_row(row) for row in order))


def vendor_lines(found: VendorLayers) -> list[str]:
    """What is fused, where the emulation first differs, and which ops it computes differently."""
    lines = []
    if found.fused:
        told = [f"{name} in {behind}" for name, behind in found.fused.items()]
        lines.append(f"{plural(len(told), 'tensor')} fused, so never made there: {listed(told, 2)}.")
    if found.gone:
        lines.append(f"{plural(len(found.gone), 'tensor')} not made there at all: {listed(found.gone, 3)}.")
    first = found.first_parted()
    if first is not None:
        lines.append(f"The emulation first differs at {first.name}, by {percent(first.apart)}.")
    both = [row for row in found.tensors if row.alone is not None and row.isolated is not None]
    other = [row for row in both if is_worse(row.alone, row.isolated)]
    if other:
        kinds = ", ".join(f"{kind} {count}" for kind, count in Counter(row.op_type for row in other).most_common(4))
        lines.append(f"Alone, {len(other)} of {len(both)} ops lose more there than emulated: {kinds}.")
    return lines


def _row(row: VendorTensor) -> tuple[str, ...]:
    figures = [percent(value) for value in (row.vendor, row.emulated, row.apart)]
    alone = [_NOT_IN_FLOAT if value is None else percent(value) for value in (row.alone, row.isolated)]
    return (row.name, row.op_type, *figures, *alone)
