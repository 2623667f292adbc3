"""Reading back what TPU-MLIR made of a plan, from the module that it lowered for a chip.

Nothing is taken from what was asked for: precisions come from the element types of the results, grids from these types,
and steps of weights from the integers that the chip multiplies and shifts sums by.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgewright.quant.plan import Precision, PrecisionPlan
from edgewright.targets.sophgo.mlir import MlirOp, TensorType, computed, tensor_types
from edgewright.tensors import Grid

_DTYPES = {"i8": "int8", "u8": "uint8", "i16": "int16", "u16": "uint16"}
_FRACTION = "rq_mode QDM"
_ATTRIBUTE = re.compile(r"\b(multipliers?|rshifts?) = (\[[^\]]*\]|-?\d+)")


@dataclass(frozen=True)
class Lookup:
    """Whose tensors, nodes and weights the names of a module are; kept beside the module as `names.json`.

    Attributes:
        model_digest: of the model that the names belong to.
        tensors: tensor of the model by name in TPU-MLIR.
        nodes: nodes of the model that an op computes.
        weights: names of weight and bias of an op that has them; the bias may be empty.
        axes: axis of the output channels in that weight; None where the op has one step for all.
    """

    model_digest: str
    tensors: Mapping[str, str]
    nodes: Mapping[str, Sequence[str]]
    weights: Mapping[str, Sequence[str]]
    axes: Mapping[str, int | None]

    def to_json(self) -> dict[str, Any]:
        """As JSON data."""
        return {key: value if isinstance(value, str) else dict(value) for key, value in self.__dict__.items()}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Lookup:
        """Inverse of `to_json`."""
        return cls(**data)


def built_plan(lowered: Sequence[MlirOp], lookup: Lookup) -> PrecisionPlan:
    """What a lowered module says, as a plan: names and grids that really took hold."""
    types = tensor_types(lowered)
    ops: dict[str, Precision] = {}
    activations: dict[str, Grid] = {}
    weights: dict[str, Grid] = {}
    for op in computed(lowered):
        if op.converts and op.names[0] not in lookup.tensors:
            _add_conversion(op, types, lookup, activations)
            continue
        for name in op.names:
            precision = types[name].precision
            if precision in ("int8", "int16"):
                for node in lookup.nodes.get(name, ()):
                    ops[node] = "int8" if precision == "int8" else "int16"
                if name in lookup.tensors:
                    activations[lookup.tensors[name]] = grid_of(types[name])
        if op.names and op.names[0] in lookup.weights:
            weights.update(_weight_grids(op, types, lookup))
    return PrecisionPlan(lookup.model_digest, activations, weights, ops, origin={"read from": "lowered module"})


def grid_of(kind: TensorType) -> Grid:
    """The grid of a quantised tensor."""
    if kind.scale is None:
        raise ValueError("a tensor of real values has no grid")
    return Grid(_DTYPES[kind.store], np.asarray(kind.scale, np.float32), np.asarray(kind.zero_point))


def conversions(lowered: Sequence[MlirOp]) -> int:
    """Ops that only take values from one grid or type to another."""
    return sum(op.converts for op in computed(lowered))


def _add_conversion(op: MlirOp, types: Mapping[str, TensorType], lookup: Lookup, activations: dict[str, Grid]) -> None:
    """A real tensor that is put on codes for its readers has the grid of that conversion."""
    source, result = op.operands[0], types[op.names[0]]
    tensor = lookup.tensors.get(source)
    real = source in types and types[source].precision == "float"
    if tensor is not None and real and result.precision in ("int8", "int16"):
        activations.setdefault(tensor, grid_of(result))


def _weight_grids(op: MlirOp, types: Mapping[str, TensorType], lookup: Lookup) -> dict[str, Grid]:
    """Steps of weight and bias: step in * step of weight * multiplier / 2^shift = step out."""
    result, source = types[op.names[0]], types.get(op.operands[0])
    found = _integers(op.text)
    if result.scale is None or source is None or source.scale is None or "rshift" not in found:
        return {}
    weight, bias = lookup.weights[op.names[0]]
    shifts = np.exp2(-found["rshift"].astype(np.float64))
    only_shifts = "multiplier" not in found
    factor = shifts if only_shifts else found["multiplier"] * shifts
    if _FRACTION in op.text:
        factor = factor * 2.0**-31  # the multiplier is a fraction of 31 bits
    # step in * step of weight / step out is the factor that sums are multiplied by
    step = np.abs(factor) * result.scale / source.scale
    grids: dict[str, Grid] = {}
    axis = lookup.axes[op.names[0]]
    if weight and (step > 0).all():
        grids[weight] = _grid("int8", step, axis)
        if bias:
            # chips that only shift add a bias of 16 bits in the unit of the sum
            dtype = "int16" if only_shifts else "int32"
            grids[bias] = _grid(dtype, step * source.scale, None if step.size == 1 else 0)
    return grids


def _grid(dtype: str, step: NDArray[np.float64], axis: int | None) -> Grid:
    scale = np.maximum(step, np.finfo(np.float32).tiny).astype(np.float32)
    if axis is None or scale.size == 1:
        scale = scale.max()
        axis = None
    return Grid(dtype, np.asarray(scale), np.zeros(np.shape(scale), np.int64), axis)


def _integers(text: str) -> dict[str, NDArray[np.int64]]:
    """The multiplier(s) and shift(s) of an op, by the name in the singular."""
    found: dict[str, NDArray[np.int64]] = {}
    for match in _ATTRIBUTE.finditer(text):
        numbers = [int(number) for number in re.findall(r"-?\d+", match[2])]
        if numbers:
            found[match[1].removesuffix("s")] = np.array(numbers, np.int64)
    return found
