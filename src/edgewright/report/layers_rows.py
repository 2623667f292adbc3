"""An analysis in words: rows, headings and sentences, made once for the terminal, the page and `--json`."""

from __future__ import annotations

from dataclasses import dataclass

from edgewright.diagnose.analysis import Analysis, PartLoss
from edgewright.diagnose.causes.base import share_of
from edgewright.diagnose.causes.say import user_name
from edgewright.diagnose.extract import Piece
from edgewright.diagnose.tensor_error import TensorError
from edgewright.report.rows import metric_text
from edgewright.report.scales import size_of
from edgewright.report.text import clean, figure, finite, plural


@dataclass(frozen=True)
class LayerRow:
    """One tensor in words.

    Attributes:
        rank: place in the order of harm, from 1.
        op: as the user's file names it; "+2" where two more of its nodes are computed together with it.
        type, region, depth, bits: see `TensorError`.
        isolated, accumulated: relative errors.
        weights: share of the isolated error that the weights make; `-` where the op has none.
        range: smallest and largest float value.
        saturated: share of the values outside the grid.
        effects: what the op alone does to each part, in the order of `Analysis.effect_parts`.
    """

    rank: int
    op: str
    tensor: str
    type: str
    region: str
    depth: int
    bits: int
    isolated: str
    accumulated: str
    weights: str
    range: str
    saturated: str
    effects: tuple[str, ...]


def percent(value: float | None) -> str:
    """A relative error: `42 %`, `3.1 %`, `<0.01 %`, `0`; None and what is not finite are `infinite`."""
    number = finite(value)
    if number is None:
        return "infinite"
    if number == 0:
        return "0"
    if number < 1e-4:
        return "<0.01 %"
    return f"{100 * number:.0f} %" if number >= 0.0995 else f"{100 * number:.2g} %"


def layer_rows(analysis: Analysis) -> list[LayerRow]:
    """Tensors that own a grid, the most harmful first."""
    parts = analysis.effect_parts
    return [_row(error, rank, parts) for rank, error in enumerate(analysis.ranked(), start=1)]


def measured_line(analysis: Analysis) -> str:
    """What was analysed, and on how many images."""
    images = analysis.images
    told = [
        f"{analysis.precision} of {analysis.model.get('name', 'model')} on {analysis.target}",
        f"ranges by {analysis.observer} of {plural(images['calibration'], 'image')}",
        f"{plural(len(analysis.owners()), 'grid')} measured on {plural(images['measured'], 'image')}",
    ]
    if images["effects"]:
        told.append(f"effects on {images['effects']}")
    return ", ".join(told)


def metric_line(analysis: Analysis) -> str:
    """The task metric before and after; empty where there is none."""
    before, after = analysis.reference, analysis.metric
    if before is None or after is None:
        return ""
    return f"{after.name} {metric_text(before)} in float, {metric_text(after)} as planned"


def summary_of(analysis: Analysis) -> str:
    """One sentence: what is lost, and where most of it enters."""
    if analysis.is_void:
        return "The float model itself is wrong on these labels: mend that first, for nothing below means anything."
    worst = analysis.worst_part()
    if worst is None:
        told = ", ".join(f"{loss.part} {percent(loss.relative_l2)}" for loss in analysis.parts)
        return f"No part loses what the task notices: {told}."
    others = [f"{loss.part} {percent(loss.relative_l2)}" for loss in analysis.parts if loss.is_hurt and loss != worst]
    start = f"{', '.join([f'{worst.part} {percent(worst.relative_l2)}', *others])} off."
    ranked = _by_effect(analysis, worst)
    if not ranked:
        return f"{start} What each op does to it is not known."
    by_region = {region: table.get(worst.part, 0.0) for region, table in analysis.by_region().items()}
    region = max(by_region, key=lambda name: by_region[name])
    which = f"the error of {worst.part}" if others else "it"
    return f"{start} Most of {which} enters in the {region}; {user_name(ranked[0])} makes most by itself."


def region_rows(analysis: Analysis) -> list[tuple[str, str, tuple[str, ...]]]:
    """Region, number of ops, and what its ops do together to each part."""
    parts = analysis.effect_parts
    return [
        (name, figure(analysis.regions.get(name, 0)), tuple(percent(row.get(part, 0.0)) for part in parts))
        for name, row in analysis.by_region().items()
    ]


def part_rows(analysis: Analysis) -> list[tuple[str, str, str, str, bool]]:
    """Part; its error as planned, at 16 bits, and from which on the task notices; whether it does."""
    return [
        (
            loss.part,
            percent(loss.relative_l2),
            percent(loss.floor) if analysis.images["floor"] else "-",
            percent(loss.noticed),
            loss.is_hurt,
        )
        for loss in analysis.parts
    ]


def unknown_lines(analysis: Analysis) -> list[str]:
    """What could not be told: tensors that no derivative reaches, parts that nothing can be relative to."""
    lines = []
    if analysis.unknown:
        stops = ", ".join(str(name) for name in analysis.facts.get("stops", ())[:3])
        behind = f", for no derivative is known behind {stops}" if stops else ""
        lines.append(f"The effect of {plural(len(analysis.unknown), 'tensor')} on the outputs is not known{behind}.")
    silent = ", ".join(str(name) for name in analysis.facts.get("silent", ()))
    if silent:
        lines.append(f"{silent}: zero on all images, or not finite, so that no effect can be told relative to it.")
    return lines


def channel_lines(error: TensorError, most: int = 8) -> list[str]:
    """The worst channels of a tensor, of which the channels were told apart."""
    order = sorted(range(len(error.channels)), key=lambda index: -size_of(error.channels[index]))
    told = ", ".join(f"{index}: {percent(error.channels[index])}" for index in order[:most])
    return [f"{user_name(error)}: {plural(len(error.channels), 'channel')}, accumulated error of the worst: {told}"]


def piece_line(piece: Piece) -> str:
    """What the smallest failing piece is, and how much of the error it shows."""
    own, whole = piece.told, piece.network
    figures = f"{percent(own.whole)} off from correct inputs, {percent(whole.whole)} in the network"
    if whole.hidden or own.hidden:
        figures += f"; mean of its channels, {percent(own.by_channel)} and {percent(whole.by_channel)}"
    ops = plural(len(piece.nodes), "op")
    return f"The smallest piece that shows the error of {clean(piece.tensor)} has {ops} ({figures})."


def _by_effect(analysis: Analysis, loss: PartLoss) -> list[TensorError]:
    known = [error for error in analysis.owners() if error.effects.get(loss.part)]
    return sorted(known, key=lambda error: -error.effects[loss.part])


def _op(error: TensorError) -> str:
    """The first of the user's names, and how many there are besides: a column has no room for more."""
    others = len(error.source_ops) - 1
    return f"{error.source_ops[0]} +{others}" if others > 0 else user_name(error)


def _row(error: TensorError, rank: int, parts: tuple[str, ...]) -> LayerRow:
    return LayerRow(
        rank=rank,
        op=_op(error),
        tensor=error.tensor,
        type=error.op_type,
        region=error.region,
        depth=error.depth,
        bits=error.bits,
        isolated=percent(error.isolated),
        accumulated=percent(error.accumulated),
        weights="-" if error.weight is None else f"{100 * share_of(error, error.weight):.0f} %",
        range=f"{figure(error.minimum)}..{figure(error.maximum)}",
        saturated=percent(error.saturated),
        effects=tuple(percent(error.effects[part]) if part in error.effects else "-" for part in parts),
    )
