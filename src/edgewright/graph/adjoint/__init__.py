"""Derivatives of an ONNX graph, as an ONNX graph."""

from edgewright.graph.adjoint import rules
from edgewright.graph.adjoint.base import RULES, Gradients, Rule, Step
from edgewright.graph.adjoint.build import Build
from edgewright.graph.adjoint.differentiate import Adjoint, differentiate, with_shapes

__all__ = ["RULES", "Adjoint", "Build", "Gradients", "Rule", "Step", "differentiate", "rules", "with_shapes"]
