"""A model: an ONNX graph with its signature."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Mapping
from pathlib import Path

import onnx_ir as ir

from edgewright.tensors import TensorSpec


class Model:
    """An ONNX graph with named, typed inputs and outputs.

    Treat `ir` as read-only: steps and rewrites work on `clone()` and hand over a new `Model`.

    Args:
        ir_model: the graph.
        path: where it was read from; None for a model made in memory.
    """

    def __init__(self, ir_model: ir.Model, path: Path | None = None) -> None:
        self.ir = ir_model
        self.path = path

    @property
    def name(self) -> str:
        """A short name for reports: the file's stem, else the graph's name."""
        return self.path.stem if self.path else (self.ir.graph.name or "model")

    @functools.cached_property
    def inputs(self) -> tuple[TensorSpec, ...]:
        """Inputs that the caller must feed: initialisers that are listed as inputs too are none."""
        fed = self.ir.graph.initializers
        return tuple(_spec(value) for value in self.ir.graph.inputs if value.name not in fed)

    @functools.cached_property
    def outputs(self) -> tuple[TensorSpec, ...]:
        """Outputs in the graph's order."""
        return tuple(_spec(value) for value in self.ir.graph.outputs)

    @property
    def opset(self) -> int:
        """Version of the default operator set."""
        return int(self.ir.opset_imports.get("", 0))

    @functools.cached_property
    def data(self) -> bytes:
        """The model as one serialised ONNX protobuf, external data included."""
        return bytes(ir.to_proto(self.ir).SerializeToString(deterministic=True))

    @functools.cached_property
    def digest(self) -> str:
        """SHA-256 of `data`, hexadecimal."""
        return hashlib.sha256(self.data).hexdigest()

    @functools.cached_property
    def shapes(self) -> Mapping[str, tuple[int, ...]]:
        """Shape of every tensor whose dimensions are all known, initialisers included; see `graph.shapes`."""
        from edgewright.graph.shapes import static_shapes

        return static_shapes(self)

    def clone(self) -> ir.Model:
        """An independent copy of the graph that may be changed."""
        return ir.from_proto(ir.to_proto(self.ir))


def _spec(value: ir.Value) -> TensorSpec:
    shape = () if value.shape is None else tuple(n if isinstance(n, int) else None for n in value.shape)
    dtype = "float32" if value.dtype is None else str(value.dtype.numpy())
    return TensorSpec(value.name or "", dtype, shape)
