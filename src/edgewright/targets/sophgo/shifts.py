"""Steps of weights and biases as TPU-MLIR takes them.

Chips with a multiplier behind each sum take weights per output channel, step max|w|/127. BM1684 can only shift: what
makes a code of the output out of a sum is a power of two, so with the steps of input and output given, the step of the
weight is step out / (step in * 2^shift), one for the whole layer, with the largest shift for which the largest weight
still fits 8 bits. Up to half of the range of codes stays empty, small channels lose more than one bit, and biases have
16 bits, in the unit of the sum. Where not even shift 0 fits, the layer is computed in float, without a word.

Source: ConvLowering::LoweringINT8 in lib/Conversion/TopToTpu/BM1684/Conv.cpp and calRightShiftNum, quantizeToInt16 in
lib/Support/MathUtils.cpp of TPU-MLIR; the tests compare with lowered modules.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from edgewright.graph.model import Model
from edgewright.quant.grids import bias_grid, weight_grid
from edgewright.quant.plan import PrecisionPlan
from edgewright.tensors import Grid

_WEIGHTED = frozenset({"Conv", "ConvTranspose", "Gemm", "MatMul"})
_LAST_CODE, _MOST_SHIFT = 127, 31
_CUT_OFF = 0.03
"""Share of biases beyond 16 bits up to which TPU-MLIR cuts them off rather than shift less."""


def weight_grids(model: Model, plan: PrecisionPlan, *, shifts_only: bool) -> tuple[dict[str, Grid], frozenset[str]]:
    """Grids of weights, biases and constants under the activation grids of a plan.

    Returns:
        the grids, and names of the nodes that the chip computes in float because no shift fits.
    """
    grids = dict(plan.weights)
    in_float: set[str] = set()
    for node in model.ir.graph:
        name = node.name or ""
        if node.op_type not in _WEIGHTED or plan.ops.get(name, "float") == "float":
            continue
        weight = _constant(node, 1)
        source = plan.activations.get(_name(node.inputs[0]))
        if weight is None or source is None or _name(weight) not in grids:
            continue
        bias = _constant(node, 2)
        if not shifts_only:
            _multiplied(grids, node, weight, bias, source)
            continue
        result = _result_grid(node, plan)
        shift = None if result is None else right_shift(_values(weight), _bias_values(bias), source, result)
        if result is None or shift is None:
            in_float.add(name)
            continue
        step = np.float64(result.scale) / (np.float64(source.scale) * 2.0**shift)
        grids[_name(weight)] = Grid("int8", np.asarray(step, np.float32), np.asarray(0))
        if bias is not None and _name(bias) in grids:
            unit = np.float64(result.scale) / 2.0**shift
            grids[_name(bias)] = Grid("int16", np.asarray(unit, np.float32), np.asarray(0))
    return grids, frozenset(in_float)


def right_shift(weight: NDArray[Any], bias: NDArray[Any] | None, source: Grid, result: Grid) -> int | None:
    """Bits that BM1684 shifts the sums of a layer by; None where it computes the layer in float.

    Args:
        weight: real values.
        bias: real values; None: there is none.
        source, result: grids of what the layer reads and makes.
    """
    largest = float(np.abs(weight).max(initial=0.0)) * float(source.scale) / float(result.scale)
    if largest <= 0:
        return 0
    shift = -1
    while largest < _LAST_CODE:
        largest, shift = 2 * largest, shift + 1
    shift = _MOST_SHIFT if shift + 1 > _MOST_SHIFT + 1 else shift
    if shift < 0:
        return None
    while bias is not None and shift > 0 and _beyond(bias, 2.0**shift / float(result.scale)) > _CUT_OFF:
        shift -= 1
    return shift


def _beyond(bias: NDArray[Any], factor: float) -> float:
    """Share of biases that do not fit 16 bits."""
    codes = np.abs(bias.astype(np.float64)) * factor
    return float((codes > 32767).mean()) if codes.size else 0.0


def _multiplied(grids: dict[str, Grid], node: ir.Node, weight: ir.Value, bias: ir.Value | None, source: Grid) -> None:
    if node.op_type in ("Gemm", "MatMul"):  # one step for all, unless asked for per channel
        grids[_name(weight)] = weight_grid(_values(weight), "int8")
    if bias is not None and _name(bias) in grids:
        grids[_name(bias)] = bias_grid(source, grids[_name(weight)])


def _result_grid(node: ir.Node, plan: PrecisionPlan) -> Grid | None:
    """Grid of what a layer makes, a ReLU behind it included."""
    value = node.outputs[0]
    if _name(value) in plan.activations:
        return plan.activations[_name(value)]
    readers = [usage.node for usage in value.uses()]
    return plan.activations.get(_name(readers[0].outputs[0])) if len(readers) == 1 else None


def _constant(node: ir.Node, index: int) -> ir.Value | None:
    value = node.inputs[index] if index < len(node.inputs) else None
    return value if value is not None and value.const_value is not None else None


def _values(value: ir.Value) -> NDArray[Any]:
    tensor = value.const_value
    if tensor is None:
        raise ValueError(f"{value.name!r} has no value")
    return tensor.numpy()


def _bias_values(bias: ir.Value | None) -> NDArray[Any] | None:
    return None if bias is None else _values(bias)


def _name(value: ir.Value | None) -> str:
    return (value.name or "") if value is not None else ""
