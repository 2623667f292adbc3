"""Ranges and weight steps of chips that turn sums into codes by a shift alone, chosen together.

There the step of a layer's weights is the step of what it makes, over the step of what it reads, over a power of two:
the largest power for which the largest weight still fits its codes. So between half of the codes and all of them are
used, by luck, and a range that is a little wider or narrower can double their number. What a step does to a layer's
weights is predicted from what the present one does: the damage grows with its square.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from edgewright.graph.model import Model
from edgewright.quant.plan import PrecisionPlan
from edgewright.quant.statistics import Range

_LAST_CODE = 127
_SWEEPS = 8
_RUNGS = 8
"""Proposals for each doubling of a range: weights then lose a twelfth of their codes at most, where one fits them."""


@dataclass(frozen=True)
class Layer:
    """A layer whose weights' step follows from the steps around it.

    Attributes:
        source, result: tensors that own the grids of what it reads and makes.
        largest: largest weight, absolute.
        step: of its weights now.
        damage: what this step does to the outputs.
    """

    source: str
    result: str
    largest: float
    step: float
    damage: float

    def damage_at(self, source_step: float, result_step: float) -> float:
        """Predicted damage with other steps around it."""
        unit = result_step / source_step
        most = math.floor(math.log2(_LAST_CODE * unit / self.largest))
        return self.damage * (unit / 2.0**most / self.step) ** 2


def shifted_layers(
    model: Model, plan: PrecisionPlan, leaders: Mapping[str, str], damage: Mapping[str, float]
) -> list[Layer]:
    """The layers of a plan whose weights are on 8-bit grids.

    Args:
        leaders: tensor that owns the grid of another one.
        damage: predicted damage by weight.
    """
    found = []
    for node in model.ir.graph:
        weight = node.inputs[1] if len(node.inputs) > 1 else None
        grid = plan.weights.get(weight.name or "") if weight is not None else None
        result = _result(node, plan)
        source = node.inputs[0].name if node.inputs and node.inputs[0] is not None else None
        if weight is None or grid is None or grid.axis is not None or result is None or source not in plan.activations:
            continue
        tensor = weight.const_value
        largest = 0.0 if tensor is None else float(np.abs(tensor.numpy()).max(initial=0.0))
        if largest > 0 and (weight.name or "") in damage:
            ends = leaders.get(source or "", source or ""), leaders.get(result, result)
            found.append(Layer(*ends, largest, float(grid.scale), damage[weight.name or ""]))
    return found


def jointly(
    layers: Iterable[Layer],
    steps: Mapping[str, Sequence[float]],
    damage: Mapping[str, NDArray[np.float64]],
    fixed: Mapping[str, float],
) -> dict[str, int]:
    """The proposal for each tensor, such that ranges and weights together damage least; a local minimum.

    Args:
        steps: of each proposal, by tensor.
        damage: predicted for each proposal, by tensor.
        fixed: steps of tensors without proposals.
    """
    chosen = {name: int(np.argmin(figures)) for name, figures in damage.items()}
    near: dict[str, list[Layer]] = {}
    for layer in layers:
        for name in {layer.source, layer.result}:
            near.setdefault(name, []).append(layer)

    def step(name: str) -> float | None:
        return steps[name][chosen[name]] if name in chosen else fixed.get(name)

    for _ in range(_SWEEPS):
        before = dict(chosen)
        for name, figures in damage.items():
            totals = np.array(figures)
            for layer in near.get(name, ()):
                other = step(layer.result if layer.source == name else layer.source)
                for index, mine in enumerate(steps[name]):
                    ends = (mine, other) if layer.source == name else (other, mine)
                    if ends[0] is not None and ends[1] is not None and layer.source != layer.result:
                        totals[index] += layer.damage_at(ends[0], ends[1])
            chosen[name] = int(np.argmin(totals))
        if chosen == before:
            break
    return chosen


def ladder(ranges: Sequence[Range]) -> list[Range]:
    """The ranges, and the first one, which is the whole, in eighths of a power of two from the narrowest of them up."""
    low, high = ranges[0]
    reach = [max(-low, high) for low, high in ranges]
    if min(reach) <= 0:
        return list(ranges)
    first = math.floor(_RUNGS * math.log2(min(reach) / reach[0])) - 1
    factors = [2 ** (rung / _RUNGS) for rung in range(first, _RUNGS // 2 + 1)]
    return list(dict.fromkeys([*ranges, *((low * by, high * by) for by in factors)]))


def _result(node: ir.Node, plan: PrecisionPlan) -> str | None:
    """The tensor on whose grid a layer's sums are put: its own, or that of the activation that it absorbs."""
    value = node.outputs[0]
    if value.name in plan.activations:
        return value.name
    readers = [usage.node for usage in value.uses()]
    made = readers[0].outputs[0].name if len(readers) == 1 else None
    return made if made in plan.activations else None
