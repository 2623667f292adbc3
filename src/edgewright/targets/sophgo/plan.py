"""A precision plan in TPU-MLIR's tables, and back from the module that it lowered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from edgewright.errors import ToolchainError, UserError
from edgewright.findings import listed
from edgewright.graph.model import Model
from edgewright.quant.plan import PrecisionPlan
from edgewright.quant.statistics import Range
from edgewright.targets.sophgo.mlir import MlirOp, computed, tensor_types
from edgewright.targets.sophgo.names import Names
from edgewright.targets.sophgo.signs import never_negative
from edgewright.targets.sophgo.tables import Row, calibration_table, quantisation_table, row_of


@dataclass(frozen=True)
class Tables:
    """A plan in the vendor's form.

    Attributes:
        rows: range of each tensor.
        modes: mode of each op that is not in 8 bits, by its name.
        widened: ops that are computed in float because TPU-MLIR computes them as one with a node that the plan has in
            float, and what the plan has in 8 bits of them.
        asymmetric: whether grids have a zero point.
    """

    rows: tuple[Row, ...]
    modes: Mapping[str, str]
    widened: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    asymmetric: bool = False

    @property
    def calibration(self) -> str:
        """Text of the calibration table."""
        return calibration_table(self.rows)

    @property
    def quantisation(self) -> str:
        """Text of the quantisation table."""
        return quantisation_table(self.modes)


def unplanned(top: Sequence[MlirOp], names: Names, plan: PrecisionPlan) -> list[str]:
    """Tensors of the model whose range TPU-MLIR wants and the plan does not have: float ops between 8-bit ones."""
    found = [names.tensor_of(name) for name in _wanted(top, names, plan)]
    return sorted({tensor for tensor in found if tensor is not None and tensor not in plan.activations})


def write_tables(
    model: Model,
    plan: PrecisionPlan,
    top: Sequence[MlirOp],
    names: Names,
    wide_mode: str,
    ranges: Mapping[str, Range],
    *,
    asymmetric: bool = False,
) -> Tables:
    """Write a plan for a module.

    TPU-MLIR lets neighbours share ranges whether or not they are computed in float: the range of a float Concat would
    become that of the 8-bit ops before it. So what no 8-bit op depends on, a decode tail in float, gets none. Inside
    the network every tensor must have one, or the compiler crashes: what the plan does not have must be measured.

    Args:
        top: the float module that TPU-MLIR made of `model`.
        wide_mode: mode of ops that the plan has in float.
        ranges: measured ranges, at least of `unplanned`.
        asymmetric: whether TPU-MLIR is asked for asymmetric grids.

    Raises:
        ToolchainError: TPU-MLIR has tensors that are not the model's.
        UserError: a range is missing.
    """
    if names.strange:
        raise ToolchainError(
            f"TPU-MLIR made {len(names.strange)} tensors that cannot be matched to the model: {listed(names.strange)}",
            todo="report this with the model; --precision float needs no plan",
        )
    positive = never_negative(model, plan)
    rows = []
    for name in _wanted(top, names, plan):
        tensor, exact = names.tensor_of(name) or "", name in names.tensors
        rows.append(_row(name, tensor, plan, ranges, positive, exact=exact, asymmetric=asymmetric))
    modes: dict[str, str] = {}
    widened: dict[str, tuple[str, ...]] = {}
    for op in computed(top):
        for name in op.names:
            nodes = names.nodes.get(name) or names.nodes.get(_kept(names, name), ())
            narrow = tuple(node for node in nodes if plan.ops.get(node, "float") != "float")
            if len(narrow) == len(nodes) and nodes:
                continue
            modes[name] = wide_mode
            if narrow:
                widened[name] = narrow
    return Tables(tuple(rows), modes, widened, asymmetric)


def _kept(names: Names, name: str) -> str:
    """The name of the tensor that a name with an unusual ending was made on the way to."""
    tensor = names.tensor_of(name)
    return names.by_tensor.get(tensor, "") if tensor else ""


def _wanted(top: Sequence[MlirOp], names: Names, plan: PrecisionPlan) -> list[str]:
    """Tensors that need a range: those with a grid, and all that they are computed from."""
    needed = {name for name in _tensors(top) if names.tensor_of(name) in plan.activations}
    for op in reversed(top):
        if not needed.isdisjoint(op.names):
            needed.update(operand for operand in op.operands if operand)
    return [name for name in _tensors(top) if name in needed]


def _tensors(top: Sequence[MlirOp]) -> list[str]:
    """Names of all computed tensors and inputs that hold real values."""
    types = tensor_types(top)
    return [
        name
        for op in top
        if op.computes or op.kind == "top.Input"
        for name in op.names
        if types[name].precision == "float"
    ]


def _row(
    name: str,
    tensor: str,
    plan: PrecisionPlan,
    ranges: Mapping[str, Range],
    positive: frozenset[str],
    *,
    exact: bool,
    asymmetric: bool,
) -> Row:
    grid = plan.activations.get(tensor)
    if grid is not None:
        return row_of(name, grid, never_negative=exact and tensor in positive, asymmetric=asymmetric)
    if tensor not in ranges:
        raise UserError(
            f"TPU-MLIR wants the range of {name!r}, which the plan does not have",
            why="it is computed in float, and no calibration images were given to measure it on",
            todo="give calibration images",
        )
    low, high = ranges[tensor]
    return Row(name, min(low, 0.0), max(high, 0.0))
