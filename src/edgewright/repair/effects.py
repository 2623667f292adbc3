"""What the grids of a candidate do to the outputs, tensor by tensor, predicted in one pass."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgewright.diagnose.effects import squared_effects, tensors_behind_weights, weigh_positions, weight_errors
from edgewright.graph.model import Model
from edgewright.graph.reference import Feeds
from edgewright.quant.layout import layout
from edgewright.quant.plan import PrecisionPlan
from edgewright.quant.sensitivity import Effects, effects
from edgewright.repair.bench import Bench, Material
from edgewright.repair.candidate import Candidate
from edgewright.tasks.importance import part_weights
from edgewright.tensors import Grid, Part

IMAGES = 12
"""Images that derivatives are taken on; the ranking of a hundred tensors settles with fewer."""

_DRAWS = 4
"""Random directions for each image: with 2, ranges are chosen by noise on networks that clipping hurts."""

Table = dict[str, NDArray[np.float64]]


@dataclass(frozen=True)
class CandidateEffects:
    """Predicted damage of everything that a candidate has on grids, summed over parts.

    Attributes:
        grids: by the tensor that owns an 8-bit grid.
        weights: of all weights together, as if independent of each other.
        by_op: of the weights of single ops, by the tensor that owns the grid of what the op makes.
    """

    grids: Mapping[str, float]
    weights: float
    by_op: Mapping[str, float] = field(default_factory=dict)

    @property
    def in_float(self) -> Mapping[str, float]:
        """What goes away where an op is computed in float: what its grid does and what its weights do."""
        return {name: gain + self.by_op.get(name, 0.0) for name, gain in self.grids.items()}

    @property
    def weights_share(self) -> float:
        """Share of the weights in all of it, 0..1; 0 where nothing is known."""
        total = self.weights + sum(self.grids.values())
        return self.weights / total if total else 0.0


def candidate_effects(candidate: Candidate, bench: Bench) -> CandidateEffects:
    """Predict what each 8-bit grid of a candidate does, and its weights; these before they were fitted to the data."""
    maker = bench.material.maker
    plan = maker.plan(candidate, bench.statistics(candidate))
    leads = layout(candidate.model, maker.profile, candidate.ops).leaders
    leaders = set(leads.values())
    sources = _sources(candidate)
    known = {value.name for node in candidate.whole.ir.graph for value in node.outputs}
    grids: dict[str, tuple[Grid, ...]] = {}
    asked: dict[str, str] = {}
    for name in sorted(leaders):
        source, divisor = sources.get(name, (name, 1.0))
        grid = plan.activations.get(name)  # none where the target computes through the tensor
        if grid is not None and source in known and grid.bits == 8:
            # the source's grid: the same codes, steps larger by the divisor
            grids[source] = (replace(grid, scale=np.asarray(grid.scale * divisor, np.float32)),)
            asked[name] = source
    plain = candidate.plain or candidate.model
    weights = _errors_of_weights(candidate, plan)
    totals = total_effects(part_effects(candidate, bench, grids, "of grids", weights), bench.material.parts)
    return CandidateEffects(
        grids={name: float(totals[source][0]) for name, source in asked.items() if source in totals},
        weights=sum(float(totals[name][0]) for name in weights if name in totals),
        by_op=_by_maker({name: float(totals[name][0]) for name in weights if name in totals}, plain, plan, leads),
    )


def weight_damage(candidate: Candidate, bench: Bench, plan: PrecisionPlan) -> dict[str, float]:
    """Predicted damage of each weight on its grid, before weights were fitted to the data."""
    found = part_effects(candidate, bench, {}, "of weights", _errors_of_weights(candidate, plan))
    return {name: float(total[0]) for name, total in total_effects(found, bench.material.parts).items()}


def _errors_of_weights(candidate: Candidate, plan: PrecisionPlan) -> dict[str, NDArray[np.float32]]:
    known = _weights(candidate.whole)
    errors = weight_errors(candidate.plain or candidate.model, plan)
    return {name: error for name, error in errors.items() if name in known}


def _by_maker(
    damage: Mapping[str, float], model: Model, plan: PrecisionPlan, leaders: Mapping[str, str]
) -> dict[str, float]:
    """Damage of weights, by the tensor that owns the grid of what their ops make; shared weights are divided."""
    found: dict[str, float] = {}
    for name, tensors in tensors_behind_weights(model, plan, damage).items():
        owners = {leaders.get(tensor, tensor) for tensor in tensors}
        for owner in owners:
            found[owner] = found.get(owner, 0.0) + damage[name] / len(owners)
    return found


def part_effects(
    candidate: Candidate,
    bench: Bench,
    grids: Mapping[str, Sequence[Grid]],
    what: str,
    weights: Mapping[str, NDArray[np.float32]] | None = None,
) -> dict[str, Table]:
    """Predicted squared relative error of each part, by tensor and part, one figure for each grid.

    The mean of two estimates is taken: one sees what errors that lean one way do together, the other has far less
    noise (see `quant.sensitivity`). Tensors that no derivative reaches are missing.

    Args:
        grids: candidate grids by tensor of `candidate.whole`.
        weights: errors of its weights, which join the tensors.
        what: for the name under which the result is kept.
    """
    key = {
        "whole": candidate.whole.digest,
        "grids": {name: [grid.to_json() for grid in entries] for name, entries in sorted(grids.items())},
        "weights": {name: hashlib.sha256(error.tobytes()).hexdigest() for name, error in (weights or {}).items()},
        "images": IMAGES,
    }

    def compute(folder: Path) -> dict[str, Any]:
        del folder
        feeds = bench.fit_feeds(IMAGES)
        return _tables(_effects(candidate, bench.material, grids, weights or {}, feeds))

    data, _ = bench.kept(f"effects {what}", key, compute)
    parts = data["parts"]
    return {
        tensor: {part: np.asarray(column, np.float64) for part, column in zip(parts, np.transpose(rows), strict=True)}
        for tensor, rows in data["tensors"].items()
    }


def total_effects(tables: Mapping[str, Table], parts: Sequence[Part]) -> dict[str, NDArray[np.float64]]:
    """Weighted sum over parts, by tensor: shape (grids,)."""
    weights = part_weights(parts)
    return {
        tensor: np.sum([weights[part] * column for part, column in table.items()], axis=0)
        for tensor, table in tables.items()
    }


def _effects(
    candidate: Candidate,
    material: Material,
    grids: Mapping[str, Sequence[Grid]],
    weights: Mapping[str, NDArray[np.float32]],
    feeds: Iterable[Feeds],
) -> Effects:
    return effects(
        candidate.whole,
        material.parts,
        grids,
        feeds,
        seed=material.seed,
        weigh=weigh_positions(material.parts),
        weight_errors={name: (error,) for name, error in weights.items()},
        draws=_DRAWS,
    )


def _tables(found: Effects) -> dict[str, Any]:
    tables = squared_effects(found)
    rows = {name: np.transpose([table[part] for part in found.parts]).tolist() for name, table in tables.items()}
    return {"parts": list(found.parts), "tensors": rows}


def _weights(model: Model) -> set[str]:
    return set(model.ir.graph.initializers)


def _sources(candidate: Candidate) -> dict[str, tuple[str, float]]:
    """Tensors that a rewrite made by dividing another one, with that tensor and the divisor."""
    found: dict[str, tuple[str, float]] = {}
    for applied in candidate.applied:
        tensors = applied.facts.get("tensors")
        for name, entry in tensors.items() if isinstance(tensors, Mapping) else ():
            found[name] = (str(entry["source"]), float(entry["divisor"]))
    return found
