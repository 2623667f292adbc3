"""Which layers with channels of unlike size are worth computing in groups: those whose error the outputs feel."""

from __future__ import annotations

from collections.abc import Mapping

from edgewright.graph.rewrites.split_channels import uneven_layers
from edgewright.quant.layout import layout
from edgewright.repair.bench import Bench
from edgewright.repair.candidate import Candidate
from edgewright.repair.effects import candidate_effects

_LEFT = 0.01
"""Share of the damage that may stay in layers left whole: a twentieth cost YOLOX-nano two points on BM1684X."""
_MOST = 16
"""Layers, each of which adds about 15 nodes: the time of vendors' compilers grows faster than the graph does."""
_RUINED = 1.0
"""Squared relative error from which outputs say nothing: what does more than that must not hide all other layers."""


def worth_splitting(candidate: Candidate, bench: Bench) -> frozenset[str]:
    """Names of Convs that `split-channels` should split, by what their grids and weights do to the outputs.

    Where all weights of a layer share one step, every uneven layer is split: each that stays whole loses its small
    channels twice, and sixteen of YOLOX-nano's cost 1.7 points more on BM1684 than all of them.
    """
    layers = uneven_layers(candidate.model)
    if not layers or not bench.material.maker.profile.per_channel_weights:
        return frozenset(layers)
    damage = candidate_effects(candidate, bench).in_float
    leaders = layout(candidate.model, bench.material.maker.profile, candidate.ops).leaders
    owners = {conv: {leaders.get(name, name) for name in tensors} for conv, tensors in layers.items()}
    return most_damaging({conv: sum(damage.get(name, 0.0) for name in names) for conv, names in owners.items()})


def most_damaging(damage: Mapping[str, float]) -> frozenset[str]:
    """The fewest layers without which little of the damage is left."""
    felt = {name: min(value, _RUINED) for name, value in damage.items()}
    left, limit, found = sum(felt.values()), _LEFT * sum(felt.values()), set[str]()
    for name in sorted(felt, key=lambda name: -damage[name])[:_MOST]:
        if left <= limit:
            break
        found.add(name)
        left -= felt[name]
    return frozenset(found)
