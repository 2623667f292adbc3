"""Cross-layer equalisation: channels that one grid must serve are brought to like sizes.

M. Nagel, M. van Baalen, T. Blankevoort, M. Welling: Data-Free Quantization Through Weight Equalization and Bias
Correction, ICCV 2019, arXiv:1906.04721, section 4.1. For two layers with a positively homogeneous function between
them, W2 f(W1 x + b1) = (W2 S) f(S^-1 W1 x + S^-1 b1) for every diagonal S > 0; equation 11 chooses
s_i = sqrt(r1_i r2_i) / r2_i, with r1_i the largest weight of output channel i of the first layer and r2_i that of input
channel i of the second one, and repeats over all pairs until nothing changes.

SiLU and its kin are not positively homogeneous: a scale cannot pass them. A factor that follows them (x * gate(x) / 6)
can take the scale up, and is the first layer of a pair then.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from edgewright.graph.model import Model
from edgewright.graph.rewrites.base import REWRITES, RewriteContext, Rewritten
from edgewright.graph.rewrites.editor import Editor, constant_of, float_constant
from edgewright.graph.rewrites.pairs import Pair, factor_index, find_pairs, input_channel, is_factor, output_channel

_SUFFIX = "_equalised"
_LIMIT = 2.0**10
"""Largest scale of a channel, and inverse of the smallest: a channel that hardly matters must not run away."""
_ROUNDS, _STILL = 50, 0.01
Scales = NDArray[np.float64]


class Equalise:
    """See `Rewrite`."""

    name = "equalise"
    requires = "two convolutions with nothing but positively homogeneous ops between them, and no other reader"
    ensures = "the channels between them have like ranges in the weights of both"
    cost = "nothing; ranges of activations change and must be calibrated again"

    def apply(self, model: Model, context: RewriteContext) -> Rewritten | None:
        """Equalise all pairs; None when there are none, or nothing to gain (see `refusals`)."""
        del context
        editor = Editor(model)
        pairs, refused = find_pairs(editor.graph)
        scales = _solve(pairs)
        changed = [(pair, scale) for pair, scale in zip(pairs, scales, strict=True) if _spread(scale) > 1 + _STILL]
        if not changed:
            return None
        _write(editor, changed)
        rows = [
            {
                "first": pair.first.name,
                "second": pair.second.name,
                "between": [node.op_type for node in pair.between],
                "smallest": float(scale.min()),
                "largest": float(scale.max()),
            }
            for pair, scale in changed
        ]
        facts = {
            "rewrite": self.name,
            "text": f"{len(rows)} pairs of layers were equalised{_refused_text(refused)}.",
            "tensors": {},
            "pairs": rows,
            "refused": dict(refused),
        }
        return Rewritten(editor.model(), None, facts)


def refusals(model: Model) -> tuple[int, Mapping[str, int]]:
    """Number of pairs that can be equalised, and the number of layers that cannot, by what stands in the way."""
    pairs, refused = find_pairs(Editor(model).graph)
    return len(pairs), dict(refused)


def _refused_text(refused: Counter[str]) -> str:
    gates = {name: count for name, count in refused.items() if name in _NOT_HOMOGENEOUS}
    if not gates:
        return ""
    told = ", ".join(f"{count} behind {name}" for name, count in gates.items())
    return f"; {sum(gates.values())} cannot be, for a scale does not pass what follows them ({told})"


_NOT_HOMOGENEOUS = frozenset(
    {"SiLU", "HardSwish", "Swish", "Sigmoid", "HardSigmoid", "Clip", "Elu", "Selu", "Gelu", "Mish", "Tanh", "Softplus"}
)


class _Weights:
    """Weights and biases by node, as they change from round to round."""

    def __init__(self, pairs: Sequence[Pair]) -> None:
        self.arrays: dict[ir.Node, NDArray[np.float64]] = {}
        for pair in pairs:
            size = input_channel(pair.second, _weight(pair.second)).max() + 1
            for node in (pair.first, pair.second):
                array = _factor(node, int(size)) if is_factor(node) else _weight(node)
                self.arrays.setdefault(node, array.astype(np.float64))

    def ranges(self, node: ir.Node, channels: NDArray[np.intp], size: int) -> Scales:
        """Largest absolute weight of each channel."""
        weight = np.abs(self.arrays[node])
        found = np.zeros(size)
        np.maximum.at(found, np.broadcast_to(channels, weight.shape), weight)
        return found


def _solve(pairs: Sequence[Pair]) -> list[Scales]:
    """Scales of each pair: what to divide its first op's channels by."""
    weights = _Weights(pairs)
    channels = [(_outputs(pair.first, weights), input_channel(pair.second, _weight(pair.second))) for pair in pairs]
    total = [np.ones(int(inputs.max()) + 1) for _, inputs in channels]
    for _ in range(_ROUNDS):
        moved = 1.0
        for index, (pair, (outputs, inputs)) in enumerate(zip(pairs, channels, strict=True)):
            size = total[index].size
            first = weights.ranges(pair.first, outputs, size)
            second = weights.ranges(pair.second, inputs, size)
            alive = (first > 0) & (second > 0)
            step = np.sqrt(np.divide(first, second, out=np.ones(size), where=alive))
            bounded = np.clip(total[index] * step, 1 / _LIMIT, _LIMIT)
            step, total[index] = bounded / total[index], bounded
            weights.arrays[pair.first] /= step[outputs]
            weights.arrays[pair.second] *= step[inputs]
            moved = max(moved, _spread(step))
        if moved < 1 + _STILL:
            break
    return total


def _spread(scales: Scales) -> float:
    """How far the scales are from 1, as a ratio."""
    return float(np.maximum(scales, 1 / scales).max(initial=1.0))


def _outputs(node: ir.Node, weights: _Weights) -> NDArray[np.intp]:
    array = weights.arrays[node]
    return np.arange(array.size).reshape(array.shape) if is_factor(node) else output_channel(node, _weight(node))


def _weight(node: ir.Node) -> NDArray[np.float32]:
    weight = float_constant(node.inputs[1])
    if weight is None:
        raise AssertionError(f"{node.name} was found to have a constant weight")
    return weight


def _factor(node: ir.Node, size: int) -> NDArray[np.float32]:
    """What a Mul or Div multiplies each channel with, in the shape of its constant."""
    index = factor_index(node)
    array = constant_of(node.inputs[index]) if index is not None else None
    other = node.inputs[1 - index] if index is not None else None
    if array is None or other is None or other.shape is None:
        raise AssertionError(f"{node.name} was found to have a constant factor")
    shape = (1, size, *[1] * (len(other.shape) - 2))
    factor = np.broadcast_to(array, shape)
    return np.asarray(1.0 / factor if node.op_type == "Div" else factor)


def _write(editor: Editor, changed: Sequence[tuple[Pair, Scales]]) -> None:
    """Put the scales into weights and biases; tensors between the ops of a pair get new names."""
    after: dict[ir.Node, Scales] = {pair.first: scale for pair, scale in changed}
    before: dict[ir.Node, Scales] = {pair.second: scale for pair, scale in changed}
    for node in dict.fromkeys([*after, *before]):
        if is_factor(node):
            _write_factor(editor, node, after[node])
            continue
        weight = _weight(node).astype(np.float64)
        if node in before:
            weight = weight * before[node][input_channel(node, _weight(node))]
        if node in after:
            weight = weight / after[node][output_channel(node, _weight(node))]
            bias = float_constant(node.inputs[2]) if len(node.inputs) > 2 else None
            if bias is not None:
                editor.replace_constant(node, 2, (bias / after[node]).astype(np.float32), _SUFFIX)
        editor.replace_constant(node, 1, weight.astype(np.float32), _SUFFIX)
    for pair, _ in changed:
        for value in pair.tensors:
            value.name = editor.fresh(f"{value.name}{_SUFFIX}")


def _write_factor(editor: Editor, node: ir.Node, scale: Scales) -> None:
    index = factor_index(node)
    if index is None:
        raise AssertionError(f"{node.name} was found to have a constant factor")
    factor = _factor(node, scale.size).astype(np.float64)
    scale = scale.reshape(factor.shape)
    values = scale / factor if node.op_type == "Div" else factor / scale
    editor.replace_constant(node, index, values.astype(np.float32), _SUFFIX)


REWRITES.add(Equalise.name, Equalise())
