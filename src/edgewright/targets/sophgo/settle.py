"""What TPU-MLIR is expected to make of a plan's grids, worked out without it.

Before it quantises, TPU-MLIR changes the ranges that it was given: what only moves data takes the range of its input,
what a Concat joins takes the range of the whole, and some ops must have the sign of what they read. Emulating the plan
as it was asked for would miss that. The rules are those of `calibration_process` in lib/Conversion/TopToTpu/
TopToTpuPass.cpp (TPU-MLIR 1.30.2, 2-clause BSD), in its order; the tests compare them with lowered modules.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import onnx_ir as ir

from edgewright.graph.model import Model
from edgewright.quant.plan import PrecisionPlan
from edgewright.quant.statistics import Range
from edgewright.targets.sophgo.shifts import weight_grids
from edgewright.targets.sophgo.signs import never_negative
from edgewright.targets.sophgo.tables import asymmetric_grid, row_of, symmetric_grid

_MOST_ROUNDS = 64
_MOVES = frozenset({"Flatten", "Reshape", "Transpose"})
_SIGN_KEPT = frozenset({"AveragePool", "GlobalAveragePool", "MaxPool", "GlobalMaxPool", "Abs"})
_JOINS = frozenset({"Concat", "Min", "Max"})
_BACK = frozenset({"Relu", "MaxPool", "DepthToSpace", "Abs", "LeakyRelu", "PRelu"})
_FORTH = frozenset(
    {
        *_MOVES,
        "Abs",
        "Gather",
        "LeakyRelu",
        "MaxPool",
        "PRelu",
        "Pad",
        "Relu",
        "Resize",
        "Slice",
        "Split",
        "Squeeze",
        "Tile",
        "Unsqueeze",
    }
)
_AVERAGES = frozenset({"AveragePool", "GlobalAveragePool"})
_UNSIGNED_PART = -0.1
"""Of the maximum: the minimum that TPU-MLIR gives a range that it makes signed."""

Ranges = dict[str, Range]


def expected_plan(model: Model, plan: PrecisionPlan, family: str, *, asymmetric: bool = False) -> PrecisionPlan:
    """The plan as the chip is expected to compute it.

    Args:
        family: "bm1684", which has no multiplier behind a sum (see `shifts`), "bm1684x", or "cv18xx", which has no
            unsigned codes.
        asymmetric: whether TPU-MLIR is asked for asymmetric grids.
    """
    inner = _inside(model)
    positive = never_negative(model, plan)
    ranges: Ranges = {}
    for name, grid in plan.activations.items():
        if name not in inner:
            row = row_of(name, grid, never_negative=name in positive, asymmetric=asymmetric)
            ranges[name] = (row.low, row.high)
    settle_ranges(model, ranges, family)
    grids = {
        name: asymmetric_grid(*found) if asymmetric else symmetric_grid(*found, signed=family == "cv18xx")
        for name, found in ranges.items()
    }
    settled = replace(plan, activations=grids)
    weights, in_float = weight_grids(model, settled, shifts_only=family == "bm1684")
    ops = {node: precision for node, precision in plan.ops.items() if node not in in_float}
    return replace(settled, weights=weights, ops=ops)


def settle_ranges(model: Model, ranges: Ranges, family: str) -> None:
    """Change ranges as TPU-MLIR does. A tensor without one takes no part."""
    forth = _FORTH | _AVERAGES if family == "bm1684" else _FORTH
    _until_quiet(model, ranges, lambda node, found: node.op_type in _MOVES and _forward(node, found))
    _until_quiet(model, ranges, _keep_sign)
    if family != "cv18xx":
        _until_quiet(model, ranges, _keep_product_sign)
    _until_quiet(model, ranges, _join)
    _until_quiet(model, ranges, lambda node, found: node.op_type in _BACK and _backward(node, found))
    if family == "bm1684x":
        _until_quiet(model, ranges, _add_to_products)
    _until_quiet(model, ranges, lambda node, found: node.op_type in forth and _forward(node, found))
    _until_quiet(model, ranges, _keep_sign)


def _until_quiet(model: Model, ranges: Ranges, rule: Callable[[ir.Node, Ranges], bool]) -> None:
    for _ in range(_MOST_ROUNDS):
        changed = [rule(node, ranges) for node in model.ir.graph]
        if not any(changed):
            return


def _inside(model: Model) -> set[str]:
    """Tensors that TPU-MLIR does not have: the Sigmoid in a SiLU, and what a ReLU behind it absorbs."""
    found = set()
    for node in model.ir.graph:
        value = node.outputs[0]
        readers = [usage.node for usage in value.uses()]
        if len(readers) != 1 or value.is_graph_output():
            continue
        silu = node.op_type == "Sigmoid" and readers[0].op_type == "Mul" and node.inputs[0] in list(readers[0].inputs)
        relu = node.op_type in ("Add", "Conv", "ConvTranspose", "Gemm", "MatMul") and readers[0].op_type == "Relu"
        if silu or relu:
            found.add(value.name or "")
    return found


def _of(value: ir.Value | None, ranges: Mapping[str, Range]) -> Range | None:
    return None if value is None else ranges.get(value.name or "")


def _set(value: ir.Value, found: Range, ranges: Ranges) -> bool:
    name = value.name or ""
    if name not in ranges or ranges[name] == found:
        return False
    ranges[name] = found
    return True


def _set_all(values: Sequence[ir.Value], found: Range, ranges: Ranges) -> bool:
    changed = [_set(value, found, ranges) for value in values]
    return any(changed)


def _forward(node: ir.Node, ranges: Ranges) -> bool:
    source = _of(node.inputs[0], ranges)
    return source is not None and _set_all(node.outputs, source, ranges)


def _backward(node: ir.Node, ranges: Ranges) -> bool:
    value, result = node.inputs[0], _of(node.outputs[0], ranges)
    source = _of(value, ranges)
    if value is None or source is None or result is None or len(list(value.uses())) != 1:
        return False
    keeps_low = node.op_type in ("LeakyRelu", "PRelu")
    return _set(value, (source[0] if keeps_low else result[0], result[1]), ranges)


def _keep_sign(node: ir.Node, ranges: Ranges) -> bool:
    source, result = _of(node.inputs[0] if node.inputs else None, ranges), _of(node.outputs[0], ranges)
    if node.op_type not in _SIGN_KEPT or source is None or result is None or (source[0] < 0) == (result[0] < 0):
        return False
    low = _UNSIGNED_PART * result[1] if source[0] < 0 else 0.0
    return _set(node.outputs[0], (low, result[1]), ranges)


def _keep_product_sign(node: ir.Node, ranges: Ranges) -> bool:
    result = _of(node.outputs[0], ranges)
    if result is None or result[0] < 0 or _is_silu(node):
        return False
    signed = [found[0] < 0 for value in node.inputs if (found := _of(value, ranges)) is not None]
    both = node.op_type == "Mul" and len(signed) == 2 and all(signed)
    return (both or node.op_type == "Sub") and _set(node.outputs[0], (_UNSIGNED_PART * result[1], result[1]), ranges)


def _join(node: ir.Node, ranges: Ranges) -> bool:
    result = _of(node.outputs[0], ranges)
    found = [(value, _of(value, ranges)) for value in node.inputs]
    if node.op_type not in _JOINS or result is None:
        return False
    sources: list[tuple[ir.Value, Range]] = []
    for value, source in found:
        if value is None or source is None or not _only_pooled_besides(value, node):
            return False
        sources.append((value, source))
    signs = {source[0] < 0 for _, source in sources}
    if node.op_type == "Concat" and len(signs) > 1:
        return False
    if len({source for _, source in sources}) == 1:
        return _set(node.outputs[0], sources[0][1], ranges)
    changed = [_push(value, result, ranges) for value, _ in sources]
    return any(changed)


def _only_pooled_besides(value: ir.Value, node: ir.Node) -> bool:
    readers = [usage.node for usage in value.uses()]
    return len(readers) == 1 or all(reader is node or reader.op_type == "MaxPool" for reader in readers)


def _push(value: ir.Value, found: Range, ranges: Ranges) -> bool:
    """Give a tensor a range, and the one before it where the op between only moves data."""
    changed = _set(value, found, ranges)
    producer = value.producer()
    if changed and producer is not None and producer.op_type in (*_MOVES, "DepthToSpace"):
        before = producer.inputs[0]
        if before is not None:
            _set(before, found, ranges)
    return changed


def _add_to_products(node: ir.Node, ranges: Ranges) -> bool:
    result = _of(node.outputs[0], ranges)
    if node.op_type != "Add" or result is None:
        return False
    sources = [value for value in node.inputs if value is not None]
    for value in sources:
        producer = value.producer()
        alone = len(list(value.uses())) == 1
        if producer is None or producer.op_type != "Mul" or _is_silu(producer) or not alone:
            return False
    changed = [_push(value, result, ranges) for value in sources]
    return any(changed)


def _is_silu(node: ir.Node) -> bool:
    """A Mul of a value with its own Sigmoid is an op of its own there."""
    makers = [value.producer() if value is not None else None for value in node.inputs]
    return node.op_type == "Mul" and any(
        maker is not None and maker.op_type == "Sigmoid" and maker.inputs[0] in list(node.inputs) for maker in makers
    )
