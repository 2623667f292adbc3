"""Nonlinearities by structure: which op squashes its input, and where a SiLU stands."""

from __future__ import annotations

import onnx_ir as ir

_SQUASHING = frozenset({"Sigmoid", "HardSigmoid", "Softmax", "LogSoftmax", "Tanh", "Exp", "Softplus"})
_TAILED = frozenset({"HardSwish", "Gelu", "Mish", "Elu", "Celu", "Selu", "Swish"})
_GATES = frozenset({"Sigmoid", "HardSigmoid"})


def squashes(node: ir.Node | None) -> bool:
    """Whether a node crowds most of its results into a small part of their range."""
    return node is not None and node.op_type in _SQUASHING


def has_small_tail(node: ir.Node | None) -> bool:
    """Whether a node is an activation with a small negative tail: x * sigmoid(x) and its kin."""
    return node is not None and (node.op_type in _TAILED or gate_of(node) is not None)


def gate_of(node: ir.Node) -> ir.Node | None:
    """The Sigmoid (or HardSigmoid) of a Mul(x, sigmoid(x)); None where a node is no such Mul."""
    if node.op_type != "Mul" or len(node.inputs) != 2:
        return None
    for gate, other in ((0, 1), (1, 0)):
        value, x = node.inputs[gate], node.inputs[other]
        producer = value.producer() if value is not None else None
        if producer is not None and producer.op_type in _GATES and producer.inputs[0] is x:
            return producer
    return None
