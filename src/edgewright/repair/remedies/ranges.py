"""A range for each tensor, chosen by what its error does to the outputs: no observer is best for all of them."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

import numpy as np

from edgewright.quant.grids import activation_grid
from edgewright.quant.layout import layout
from edgewright.quant.observers import parse_observer
from edgewright.quant.statistics import Range, TensorStatistics
from edgewright.repair.bench import Bench
from edgewright.repair.candidate import Applied, Candidate
from edgewright.repair.effects import part_effects, total_effects, weight_damage
from edgewright.repair.remedies.base import REMEDIES, Kind
from edgewright.repair.shifted import jointly, ladder, shifted_layers
from edgewright.tensors import Grid

_OBSERVERS = ("minmax", "percentile:99.999", "percentile:99.99", "percentile:99.9", "mse", "mse:4", "entropy")
_LEAST = 1e-7
_LOW_ENDS = (0.7, 0.5, 0.35, 0.25)
"""What is cut off the low end alone: behind a SiLU nothing is left of large negative values, and many steps are won."""


class Ranges:
    """Candidates are what the observers propose, and some with a shorter low end."""

    name = "ranges"
    kind: Kind = "calibration"
    requires = "8-bit activations, histograms of them, and a derivative of the outputs"
    ensures = (
        "each activation has the range predicted to damage the outputs least, with the weights that follow from it"
    )
    cost = "none at run time"

    def propose(self, candidate: Candidate, bench: Bench) -> Candidate | None:
        """See `Remedy.propose`."""
        statistics = bench.statistics(candidate)
        maker = bench.material.maker
        plan = layout(candidate.model, maker.profile, candidate.ops)
        dtype = maker.options.activation_dtype or maker.profile.activation_dtypes["int8"]
        symmetric = maker.options.symmetric
        proposals = {
            name: _proposals(statistics[name], symmetric)
            for name in plan.observed
            if name in statistics and (plan.precision[name] == "int8" or name in plan.narrowed)
        }
        if maker.profile.shift_only:
            proposals = {name: ladder(ranges) for name, ranges in proposals.items()}
        now = maker.plan(candidate, statistics)
        grids = {
            name: [_grid(low, high, dtype, symmetric, now.activations.get(name)) for low, high in ranges]
            for name, ranges in proposals.items()
        }
        effects = part_effects(candidate, bench, _known(candidate, grids), "of ranges")
        damage = total_effects(effects, bench.material.parts)
        picked = {name: int(np.argmin(figures)) for name, figures in damage.items()}
        if maker.profile.shift_only:
            layers = shifted_layers(candidate.model, now, plan.leaders, weight_damage(candidate, bench, now))
            steps = {name: [grid.step for grid in grids[name]] for name in damage}
            picked = jointly(layers, steps, damage, {name: grid.step for name, grid in now.activations.items()})
        chosen = {name: proposals[name][index] for name, index in picked.items()}
        if not chosen:
            return None
        return candidate.with_remedy(_applied(chosen, proposals), ranges={**candidate.ranges, **chosen})


def _grid(low: float, high: float, dtype: str, symmetric: bool, made: Grid | None) -> Grid:
    """The grid of a range, with the codes that the target is expected to make of it: unsigned from 0 on, perhaps."""
    if symmetric and made is not None and made.dtype.startswith("u") and int(made.zero_point.max()) == 0:
        return Grid(made.dtype, np.asarray(max(high, _LEAST) / (2**made.bits - 1), np.float32), np.asarray(0))
    return activation_grid(low, high, dtype, symmetric)


def _known(candidate: Candidate, grids: Mapping[str, Any]) -> dict[str, Any]:
    """Tensors that the whole float network has too; a rewrite may have added others."""
    graph = candidate.whole.ir.graph
    names = {value.name for value in graph.inputs} | {value.name for node in graph for value in node.outputs}
    return {name: entries for name, entries in grids.items() if name in names}


def _proposals(statistics: TensorStatistics, symmetric: bool) -> list[Range]:
    take = functools.partial(_range, statistics, symmetric=symmetric)
    ranges = [take(observer) for observer in (_OBSERVERS if statistics.histogram is not None else _OBSERVERS[:1])]
    ends = [ranges[0], ranges[min(2, len(ranges) - 1)]]
    if not symmetric:
        ranges += [(low * factor, high) for low, high in ends if low < 0 < high for factor in _LOW_ENDS]
    return list(dict.fromkeys(ranges))


def _range(statistics: TensorStatistics, observer: str, *, symmetric: bool) -> Range:
    return parse_observer(observer).range(statistics, 256, symmetric)


def _applied(chosen: Mapping[str, Range], proposals: Mapping[str, list[Range]]) -> Applied:
    narrower = [name for name, ends in chosen.items() if ends != proposals[name][0]]
    return Applied(
        "ranges",
        "ranges by effect",
        f"The range of each of {len(chosen)} activations is the one that is predicted to damage the outputs least; "
        f"{len(narrower)} are narrower than what calibration saw.",
        {"tensors": len(chosen), "narrower": len(narrower)},
    )


REMEDIES.add(Ranges.name, Ranges())
