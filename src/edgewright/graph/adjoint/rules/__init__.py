"""Derivative rules, one family of operators a file."""

from edgewright.graph.adjoint.rules import (
    arithmetic,
    convolution,
    elementwise,
    joins,
    matmul,
    movement,
    normalisation,
    pooling,
    reduction,
    resize,
    selection,
    softmax,
)

__all__ = [
    "arithmetic",
    "convolution",
    "elementwise",
    "joins",
    "matmul",
    "movement",
    "normalisation",
    "pooling",
    "reduction",
    "resize",
    "selection",
    "softmax",
]
