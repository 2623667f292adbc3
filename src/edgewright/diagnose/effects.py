"""What each op of a plan does to each part of the outputs by itself, predicted in one pass."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgewright.graph.model import Model
from edgewright.graph.reference import Feeds, Outputs
from edgewright.quant.error_ops import fused_nodes, made_values
from edgewright.quant.plan import PrecisionPlan
from edgewright.quant.sensitivity import Effects, effects
from edgewright.tasks.importance import position_weights
from edgewright.tensors import Grid, Part

_LINEAR_OPS = frozenset({"Conv", "ConvTranspose", "Gemm", "MatMul"})
"""Ops whose weights' errors `quant.sensitivity` can follow."""

_DRAWS = 2
"""Random directions for each image. On 277 tensors and 12 images, two seeds give effects that differ by 14 % (median)
with 1 draw and by 6 % with 4, for three times the time; the order of the worst dozen is the same but for one or two."""

Squares = dict[str, dict[str, NDArray[np.float64]]]


@dataclass(frozen=True)
class TensorEffects:
    """Predicted relative L2 of each part.

    Attributes:
        parts: by tensor that owns a grid, then by part: what its grid and the weights of its op do to the part.
        unknown: tensors without a figure, for the gradient stops behind them.
        stops: nodes without a derivative rule, at which it stops.
    """

    parts: Mapping[str, Mapping[str, float]]
    unknown: tuple[str, ...]
    stops: tuple[str, ...]


def tensor_effects(
    model: Model,
    plan: PrecisionPlan,
    leaders: Mapping[str, str],
    parts: Sequence[Part],
    feeds: Iterable[Feeds],
    *,
    seed: int = 0,
) -> TensorEffects:
    """Predict to first order what each op loses, of each part, when everything else is in float.

    Args:
        model: the prepared model, in float.
        plan: grids and precisions.
        leaders: tensor that owns the grid of another one, by name (`quant.layout`).
        parts: slices of outputs that are float32, of static shape and not zero on all images.
        feeds: inputs by name, one mapping an image; a dozen suffices for a ranking.
        seed: of the random directions.

    Raises:
        DataError, ModelError, ToolchainError: as `quant.sensitivity.effects`.
    """
    grids = {name: (grid,) for name, grid in plan.activations.items() if leaders.get(name, name) == name}
    weights = weight_errors(model, plan)
    found = effects(
        model,
        parts,
        grids,
        feeds,
        seed=seed,
        weigh=weigh_positions(parts),
        draws=_DRAWS,
        weight_errors={name: (error,) for name, error in weights.items()},
    )
    squares = squared_effects(found)
    sharers = {name: len(tensors) for name, tensors in tensors_behind_weights(model, plan, weights).items()}
    totals = {
        name: {part: float(value[0]) for part, value in squares[name].items()} for name in grids if name in squares
    }
    for name, tensors in tensors_behind_weights(model, plan, weights).items():
        for tensor in tensors:
            for part, value in squares.get(name, {}).items():
                if tensor in totals:  # a weight that several ops read is one error: each has its share
                    totals[tensor][part] += float(value[0]) / sharers[name]
    roots = {name: {part: math.sqrt(value) for part, value in table.items()} for name, table in totals.items()}
    return TensorEffects(roots, tuple(name for name in found.unknown if name in grids), found.stops)


def squared_effects(found: Effects) -> Squares:
    """Predicted squared relative error by tensor and part, one figure for each candidate grid.

    The mean of two estimates is taken: one sees what errors that lean one way do together, the other has far less
    noise (see `quant.sensitivity`). Tensors that no derivative reaches are missing.
    """
    return {
        name: dict(zip(found.parts, np.transpose((found.diagonal[name] + found.projected[name]) / 2), strict=True))
        for name in found.diagonal
    }


def weigh_positions(parts: Sequence[Part]) -> Callable[[Outputs], Mapping[str, NDArray[Any]]]:
    """Importance of positions, output by output, for `quant.sensitivity.effects`."""

    def weigh(outputs: Outputs) -> dict[str, NDArray[Any]]:
        by_part = position_weights(parts, outputs)
        found: dict[str, NDArray[Any]] = {}
        for part in parts:
            if part.name in by_part:
                whole = found.setdefault(part.output, np.ones_like(outputs[part.output]))
                part.take({part.output: whole})[...] *= by_part[part.name]
        return found

    return weigh


def weight_errors(model: Model, plan: PrecisionPlan) -> dict[str, NDArray[np.float32]]:
    """Error of each weight on its grid, in its own shape."""
    found: dict[str, NDArray[np.float32]] = {}
    for node in model.ir.graph:
        value = node.inputs[1] if node.op_type in _LINEAR_OPS and len(node.inputs) > 1 else None
        grid: Grid | None = None if value is None else plan.weights.get(value.name or "")
        if value is not None and grid is not None and value.const_value is not None:
            array = value.const_value.numpy()
            found[value.name or ""] = np.asarray(grid.dequantise(grid.quantise(array)) - array, np.float32)
    return found


def tensors_behind_weights(model: Model, plan: PrecisionPlan, weights: Iterable[str]) -> dict[str, list[str]]:
    """Gridded tensors whose op, or what is computed together with it, reads a weight, by weight."""
    found: dict[str, list[str]] = {name: [] for name in weights}
    for tensor, made in made_values(model.ir.graph).items():
        producer = made.producer()
        if tensor not in plan.activations or producer is None:
            continue
        for value in {value for node in fused_nodes(producer, plan) for value in node.inputs if value is not None}:
            if value.name in found:
                found[value.name].append(tensor)
    return found
