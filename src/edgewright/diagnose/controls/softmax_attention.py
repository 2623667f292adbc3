"""A transformer block: patches, layer normalisation, softmax attention, GELU, in the ops of opset 13."""

from __future__ import annotations

import math

import onnx_ir as ir

from edgewright.diagnose.controls.base import CONTROLS, Control
from edgewright.diagnose.controls.builder import GraphBuilder
from edgewright.graph.model import Model
from edgewright.tensors import Part

_TOKENS, _WIDTH, _HEADS, _CLASSES = 64, 32, 2, 10


def build() -> Model:
    """One block over 64 patches of a 3x64x64 picture."""
    net = GraphBuilder("softmax-attention", (1, 3, 64, 64), seed=15)
    patches = net.op("Conv", net.input, net.normal((_WIDTH, 3, 8, 8), 0.25), kernel_shape=[8, 8], strides=[8, 8])
    x = net.op("Transpose", net.reshape(patches, 1, _WIDTH, _TOKENS), perm=[0, 2, 1])
    x = net.op("Add", x, net.normal((1, _TOKENS, _WIDTH), 0.5))
    x = net.op("Add", x, _attention(net, _normalised(net, x)))
    hidden = _linear(net, _normalised(net, x), _WIDTH, 2 * _WIDTH)
    x = net.op("Add", x, _linear(net, _gelu(net, hidden), 2 * _WIDTH, _WIDTH))
    pooled = net.op("ReduceMean", _normalised(net, x), axes=[1], keepdims=0)
    return net.finish({"logits": _linear(net, pooled, _WIDTH, _CLASSES, gain=4.0), "tokens": x})


def _linear(net: GraphBuilder, x: ir.Value, inputs: int, outputs: int, gain: float = 1.0) -> ir.Value:
    product = net.op("MatMul", x, net.normal((inputs, outputs), gain / math.sqrt(inputs)))
    return net.op("Add", product, net.normal((outputs,), 0.1))


def _normalised(net: GraphBuilder, x: ir.Value) -> ir.Value:
    centred = net.op("Sub", x, net.op("ReduceMean", x, axes=[-1], keepdims=1))
    variance = net.op("ReduceMean", net.op("Mul", centred, centred), axes=[-1], keepdims=1)
    return net.op("Div", centred, net.op("Sqrt", net.op("Add", variance, net.floats(1e-5))))


def _attention(net: GraphBuilder, x: ir.Value) -> ir.Value:
    size = _WIDTH // _HEADS

    def heads(perm: list[int]) -> ir.Value:
        rows = net.reshape(_linear(net, x, _WIDTH, _WIDTH, gain=1.5), 1, _TOKENS, _HEADS, size)
        return net.op("Transpose", rows, perm=perm)

    queries, keys, values = heads([0, 2, 1, 3]), heads([0, 2, 3, 1]), heads([0, 2, 1, 3])
    scores = net.op("Mul", net.op("MatMul", queries, keys), net.floats(1.0 / math.sqrt(size)))
    mixed = net.op("MatMul", net.op("Softmax", scores, axis=-1), values)
    rows = net.reshape(net.op("Transpose", mixed, perm=[0, 2, 1, 3]), 1, _TOKENS, _WIDTH)
    return _linear(net, rows, _WIDTH, _WIDTH)


def _gelu(net: GraphBuilder, x: ir.Value) -> ir.Value:
    """x * (1 + erf(x / sqrt(2))) / 2."""
    erf = net.op("Erf", net.op("Div", x, net.floats(math.sqrt(2.0))))
    return net.op("Mul", net.op("Mul", x, net.op("Add", erf, net.floats(1.0))), net.floats(0.5))


CONTROLS.add(
    "softmax-attention",
    Control(
        "softmax-attention",
        "MatMul, Softmax, layer normalisation, GELU",
        build,
        (
            Part("logits", "logits", kind="logits"),
            Part("tokens", "tokens", axis=2, kind="features", channel_axis=2),
        ),
    ),
)
