"""Operands of an op as its grid sees them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from edgewright.diagnose.causes.base import CauseContext, name_of
from edgewright.quant.fusion import activation_inputs


@dataclass(frozen=True)
class Branch:
    """An operand and how many steps of a grid its range spans.

    Attributes:
        tensor: its name.
        maker: the op that makes it, by the user's name; the tensor's for an input.
        low, high: its range in the float network.
        steps: (high - low) / step.
    """

    tensor: str
    maker: str
    low: float
    high: float
    steps: float

    @property
    def width(self) -> float:
        """Distance between its ends."""
        return self.high - self.low

    def to_json(self) -> dict[str, Any]:
        """The operand as JSON data."""
        return dict(self.__dict__)

    def __str__(self) -> str:
        return f"{self.maker} ({self.low:.4g}..{self.high:.4g})"


def branch(context: CauseContext, tensor: str, step: float) -> Branch | None:
    """An activation on a grid of `step`; None where its range is not known."""
    found = context.range_of(tensor)
    if found is None:
        return None
    low, high = found
    node = context.producer(tensor)
    return Branch(tensor, tensor if node is None else name_of(context, node), low, high, (high - low) / step)


def branches(context: CauseContext, node: ir.Node, step: float) -> list[Branch]:
    """The computed operands of a node whose ranges are known and not empty, by steps, fewest first."""
    names = dict.fromkeys(value.name or "" for value in activation_inputs(node))
    found = (branch(context, name, step) for name in names)
    return sorted((one for one in found if one is not None and one.width > 0), key=lambda one: one.steps)


def constants(node: ir.Node) -> Iterable[tuple[str, NDArray[Any]]]:
    """Name and values of the constant float operands of a node."""
    for value in node.inputs:
        tensor = value.const_value if value is not None else None
        if value is not None and tensor is not None and tensor.dtype == ir.DataType.FLOAT and tensor.size:
            yield value.name or "", np.asarray(tensor.numpy(), np.float64)
