"""Two chips side by side, in words."""

from __future__ import annotations

from edgewright.diagnose.chips import ChipComparison, Swap
from edgewright.report.layers_rows import percent
from edgewright.report.rows import metric_text
from edgewright.report.sheets import Sheet
from edgewright.report.text import figure, plural
from edgewright.tasks.metric import Metric

_WORST = 200


def chips_intro(found: ChipComparison) -> str:
    """What was compared."""
    return (
        f"{found.here} against {found.there}: {plural(len(found.rows), 'tensor')} that both make, on "
        f"{plural(found.images, 'image')}, as {found.where_here} and {found.where_there} compute them; the same grid "
        f"was asked of both for {found.same_grids} of {found.grids} tensors"
    )


def chips_parts(found: ChipComparison) -> Sheet:
    """Parts and metric on both chips."""
    rows: list[tuple[str, ...]] = [(name, percent(here), percent(there)) for name, (here, there) in found.parts.items()]
    rows += [(name, *(metric_text(Metric(name, value, 1)) for value in pair)) for name, pair in found.metrics.items()]
    return Sheet(("", found.here, found.there), 1, tuple(rows), chips_intro(found))


def chips_swaps(found: ChipComparison) -> Sheet:
    """What each property costs."""
    parts = tuple(found.parts)
    agrees = any(swap.agreement is not None for swap in found.swaps)
    rows = tuple(
        (
            swap.what,
            *(percent(swap.parts.get(part)) for part in parts),
            *((f"{swap.agreement or 0.0:.1f}",) if agrees else ()),
        )
        for swap in found.swaps
    )
    intro = (
        f"{found.there} with one property of {found.here} at a time, emulated on {plural(found.swap_images, 'image')} "
        f"with the decode tail in float; first as it is, last {found.here} itself."
    )
    columns = ("with", *(f"to {part}" for part in parts), *(("agreement AP",) if agrees else ()))
    return Sheet(columns, 1, rows, intro)


def chips_kinds(found: ChipComparison) -> Sheet:
    """Ops by kind."""
    rows = tuple(
        (kind.kind, figure(kind.count), percent(kind.here), percent(kind.there), figure(kind.worse))
        for kind in found.kinds()
    )
    intro = f"Ops alone, by kind: median of what they lose, and how many lose notably more on {found.here}."
    return Sheet(("kind", "ops", found.here, found.there, "worse"), 1, rows, intro)


def chips_worst(found: ChipComparison) -> Sheet:
    """Ops that lose most more here, alone."""
    rows = tuple(
        (row.name, row.kind, *(percent(v) for v in (row.alone_here, row.alone_there, row.here, row.there)))
        for row in found.worst(_WORST)
    )
    columns = ("op", "kind", "alone", "alone there", "accumulated", "accumulated there")
    return Sheet(columns, 2, rows, f"Ops that lose notably more on {found.here}, alone; the largest difference first.")


def chips_lines(found: ChipComparison) -> list[str]:
    """Where they part, what differs, and which property costs most."""
    lines = []
    first = found.first()
    if first is not None:
        here, there = percent(first.here), percent(first.there)
        lines.append(f"They part at {first.name}: {here} off on {found.here}, {there} on {found.there}.")
    told = [
        f"{name} {found.facts['here'][name]} and {count}"
        for name, count in found.facts["there"].items()
        if found.facts["here"][name] != count
    ]
    if told:
        lines.append(f"What the chips make of the plan differs ({found.here} and {found.there}): {', '.join(told)}.")
    for names, only, other in ((found.only_here, found.here, found.there), (found.only_there, found.there, found.here)):
        if names:
            lines.append(
                f"{plural(len(names), 'tensor')} made on {only} only; {other} computes them within the next op."
            )
    cause = _cause(found)
    return [*lines, cause] if cause else lines


def _cause(found: ChipComparison) -> str:
    """The one property that alone brings the other chip nearest to this one."""
    if len(found.swaps) < 3:
        return ""
    start, last = found.swaps[0], found.swaps[-1]
    part = max(start.parts, key=lambda name: _size(last, name) / max(_size(start, name), 1e-9))
    if _size(last, part) <= _size(start, part):
        return f"Emulated, {found.here} loses no more than {found.there}: what differs is not in grids or widths."
    most = max(found.swaps[1:-1], key=lambda swap: _size(swap, part))
    return (
        f"Of {part}, {percent(start.parts[part])} are lost on {found.there} and {percent(last.parts[part])} on "
        f"{found.here} (emulated); '{most.what}' alone makes it {percent(most.parts[part])}."
    )


def _size(swap: Swap, part: str) -> float:
    value = swap.parts.get(part)
    return float("inf") if value is None else value
