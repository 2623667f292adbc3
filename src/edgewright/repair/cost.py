"""What a candidate costs on the chip, beside 8 bits throughout."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import onnx_ir as ir

from edgewright.graph.macs import count_macs
from edgewright.graph.model import Model
from edgewright.quant.fusion import activation_inputs
from edgewright.quant.layout import default_precisions
from edgewright.quant.plan import PrecisionPlan
from edgewright.quant.profile import FusionProfile


@dataclass(frozen=True)
class Cost:
    """Cost of one candidate.

    Attributes:
        int16_macs: share of the network's multiply-accumulates with 16-bit activations, 0..1. An op that reads 8 bits
            and writes 16 multiplies 8-bit numbers.
        float_macs: share in ops that the target has in integers, but that run in float.
        int16_ops, float_ops: numbers of such ops.
        conversions: number of places where a tensor changes its type between two ops.
        latency: time of a run relative to 8 bits throughout; None when it was not measured.
    """

    int16_macs: float
    float_macs: float
    int16_ops: int
    float_ops: int
    conversions: int
    latency: float | None = None

    @property
    def rank(self) -> tuple[float, ...]:
        """For comparing: float weighs more than 16 bits, MACs more than conversions."""
        return (self.float_macs, self.int16_macs, self.float_ops, self.int16_ops, self.conversions)

    def to_json(self) -> dict[str, Any]:
        """The cost as JSON data."""
        return dict(self.__dict__)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Cost:
        """Inverse of `to_json`."""
        return cls(**data)


def cost_of(model: Model, profile: FusionProfile, plan: PrecisionPlan, whole_macs: int) -> Cost:
    """Cost of a plan.

    Args:
        model: the graph that is built.
        whole_macs: multiply-accumulates of the whole network; a tail that runs elsewhere changes no share.
    """
    macs = count_macs(model)
    total = max(1, whole_macs)
    able = default_precisions(model, profile, "int8")
    wide = {name for name, precision in plan.ops.items() if precision == "int16"}
    in_float = {name for name in able if plan.ops.get(name, "float") == "float"}
    return Cost(
        int16_macs=sum(macs.get(name, 0) for name in _reading_wide(model, plan, wide)) / total,
        float_macs=sum(macs.get(name, 0) for name in in_float) / total,
        int16_ops=len(wide),
        float_ops=len(in_float),
        conversions=len(plan.narrowed) + _float_borders(model, plan),
    )


def _reading_wide(model: Model, plan: PrecisionPlan, wide: set[str]) -> set[str]:
    """Wide ops that read a 16-bit activation."""
    found: set[str] = set()
    for node in model.ir.graph:
        name = node.name or ""
        if name not in wide:
            continue
        seen = [plan.grid_seen(value.name or "", name) for value in activation_inputs(node)]
        if any(grid is not None and grid.bits == 16 for grid in seen):
            found.add(name)
    return found


def _float_borders(model: Model, plan: PrecisionPlan) -> int:
    """Tensors that pass from codes to real values or back inside the network."""
    borders = 0
    for node in model.ir.graph:
        on_codes = plan.ops.get(node.name or "", "float") != "float"
        for value in node.outputs:
            readers = [_reads_codes(usage.node, plan) for usage in value.uses()]
            borders += (value.name or "") in plan.activations and any(reads != on_codes for reads in readers)
    return borders


def _reads_codes(node: ir.Node, plan: PrecisionPlan) -> bool:
    return plan.ops.get(node.name or "", "float") != "float"
