"""Preparation steps, one a file, in the order in which they run."""

from edgewright.graph.steps import (  # noqa: I001 - the order of import is the order of the steps
    plain_initialisers,
    static_shapes,
    raise_opset,
    lift_constants,
    simplify,
    own_weights,
    name_nodes,
)
from edgewright.graph.steps.base import STEPS, PrepareOptions, Step

__all__ = [
    "STEPS",
    "PrepareOptions",
    "Step",
    "lift_constants",
    "name_nodes",
    "own_weights",
    "plain_initialisers",
    "raise_opset",
    "simplify",
    "static_shapes",
]
