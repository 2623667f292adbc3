"""What a derivative rule is, and how it is found by op."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import onnx_ir as ir

from edgewright.graph.adjoint.build import Build, shape_of
from edgewright.registry import Registry

Gradients = Mapping[int, ir.Value]
"""Gradient of each input that has one, by the input's position. An input that carries a derivative and is missing here
is one that the rule cannot handle."""


@dataclass(frozen=True)
class Step:
    """One node on the way back.

    Attributes:
        node: the node of the forward graph.
        gradients: gradient of each output, by position; an output that no seed depends on is missing.
        active: positions of the inputs whose gradient is wanted: floats that depend on an input of the graph.
    """

    node: ir.Node
    gradients: Gradients
    active: frozenset[int]

    @property
    def gradient(self) -> ir.Value:
        """The gradient of the first output, which is the only one of most operators."""
        return self.gradients[0]

    @property
    def x(self) -> ir.Value:
        """The first input."""
        return self.input(0)

    @property
    def y(self) -> ir.Value:
        """The first output."""
        return self.node.outputs[0]

    def input(self, index: int) -> ir.Value:
        """An input that must be there."""
        value = self.optional(index)
        if value is None:
            raise ValueError(f"node {self.node.name!r} ({self.node.op_type}) lacks input {index}")
        return value

    def optional(self, index: int) -> ir.Value | None:
        """An input that may be left out."""
        return self.node.inputs[index] if index < len(self.node.inputs) else None

    def shape(self, index: int = 0) -> tuple[int, ...]:
        """Static shape of an input."""
        return shape_of(self.input(index))

    @property
    def output_shape(self) -> tuple[int, ...]:
        """Static shape of the first output."""
        return shape_of(self.y)

    def number(self, name: str, default: int) -> int:
        """An integer attribute."""
        return self.node.attributes.get_int(name, default)

    def real(self, name: str, default: float) -> float:
        """A float attribute."""
        return self.node.attributes.get_float(name, default)

    def text(self, name: str, default: str) -> str:
        """A string attribute."""
        return self.node.attributes.get_string(name, default)

    def numbers(self, name: str, default: tuple[int, ...]) -> tuple[int, ...]:
        """An attribute of integers."""
        return tuple(self.node.attributes.get_ints(name, default))


Rule = Callable[[Step, Build], Gradients | None]
"""Appends the nodes that carry the gradient from the outputs of a node to its inputs; None where this form of the
operator has no rule."""

RULES: Registry[Rule] = Registry("derivative rule")
"""By op type of the default operator set."""
