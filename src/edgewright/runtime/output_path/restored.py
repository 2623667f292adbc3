"""Reading through a restoration that only joins and multiplies, so that its outputs need not be computed.

A rewrite that splits or rescales outputs leaves a small graph that undoes it on the host. Where that graph is no more
than Concat along the channels and Mul by a constant for each channel, its work is a matter of where to look and what to
multiply with. Anything else (a decode tail, a Transpose) is computed by ONNX Runtime, as before.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from edgewright.graph.model import Model
from edgewright.runtime.output_path.slots import Slot, slot_of
from edgewright.targets.artifact import PortSpec
from edgewright.tensors import Part


class Reader:
    """Finds the slot of each part.

    Args:
        ports: the artifact's outputs.
        restore: the restoration, or None.
    """

    def __init__(self, ports: Sequence[PortSpec], restore: Model | None) -> None:
        self._ports: Mapping[str, PortSpec] = {port.spec.name: port for port in ports}
        self._ends: dict[str, ir.Value] = (
            {} if restore is None else {value.name or "": value for value in restore.ir.graph.outputs}
        )
        self.restored = restore is not None

    def slot(self, part: Part) -> Slot | None:
        """Where the part lies; None if it lies in several outputs, or has to be computed."""
        rank = self._rank(part.output)
        axis = part.axis + rank if part.axis < 0 else part.axis
        found = self._pieces(part.output, axis)
        if found is None:
            return None
        first = 0
        for piece in found:
            start, stop = part.start - first, None if part.stop is None else part.stop - first
            last = piece is found[-1]
            if 0 <= start < piece.channels and (last if stop is None else stop <= piece.channels):
                return piece.part(start, stop)
            first += piece.channels
        return None

    def _rank(self, output: str) -> int:
        if self.restored:
            shape = self._ends[output].shape
            return 0 if shape is None else len(shape)
        return len(self._ports[output].spec.shape)

    def _pieces(self, output: str, axis: int) -> list[Slot] | None:
        """The slots that lie behind each other along `axis` in an output of the model."""
        return self._behind(self._ends[output], axis) if self.restored else self._whole(output, axis)

    def _whole(self, output: str, axis: int) -> list[Slot] | None:
        port = self._ports.get(output)
        if port is None:
            return None
        slot = slot_of(output, port.spec.shape, port.spec.dtype, port.grid, axis)
        return None if slot is None else [slot]

    def _behind(self, value: ir.Value, axis: int) -> list[Slot] | None:
        node = value.producer()
        if node is None:
            return self._whole(value.name or "", axis) if value.is_graph_input() else None
        if node.op_type == "Identity" and node.inputs[0] is not None:
            return self._behind(node.inputs[0], axis)
        if node.op_type == "Concat":
            return self._joined(node, axis)
        return self._scaled(node, axis) if node.op_type == "Mul" else None

    def _joined(self, node: ir.Node, axis: int) -> list[Slot] | None:
        along = node.attributes["axis"].as_int()
        shape = node.outputs[0].shape
        if shape is None or along % len(shape) != axis:
            return None
        found: list[Slot] = []
        for value in node.inputs:
            pieces = None if value is None else self._behind(value, axis)
            if pieces is None:
                return None
            found += pieces
        return found

    def _scaled(self, node: ir.Node, axis: int) -> list[Slot] | None:
        for value, other in (node.inputs, node.inputs[::-1]):
            if value is None or other is None or other.const_value is None:
                continue
            pieces = self._behind(value, axis)
            if pieces is None or any(piece.factor is not None for piece in pieces):
                return None  # two factors round twice
            factors = _by_channel(other.const_value.numpy(), value, axis, sum(piece.channels for piece in pieces))
            if factors is None:
                return None
            cuts = np.cumsum([piece.channels for piece in pieces])[:-1]
            parts = np.split(factors, cuts)
            return [dataclasses.replace(piece, factor=part) for piece, part in zip(pieces, parts, strict=True)]
        return None


def _by_channel(constant: NDArray[np.float32], value: ir.Value, axis: int, channels: int) -> NDArray[np.float32] | None:
    """The factor of each channel, if the constant differs along the channels only and is positive and finite."""
    if value.shape is None or constant.dtype != np.float32 or constant.ndim > len(value.shape):
        return None
    shape = (1,) * (len(value.shape) - constant.ndim) + constant.shape
    if any(size != 1 for place, size in enumerate(shape) if place != axis) or shape[axis] not in (1, channels):
        return None
    factors = np.broadcast_to(constant.reshape(-1), (channels,)).astype(np.float32)
    return factors if np.isfinite(factors).all() and (factors > 0).all() else None
