"""The ONNX that paddle2onnx wrote, in the form that everything behind it takes: one image in, names in order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray
from onnx_ir.passes.common import RemoveUnusedNodesPass

from edgewright.errors import ModelError
from edgewright.graph.model import Model

_NAMES = "names"
"""Entry of the metadata that `tasks.names` reads class names from."""


def folded(
    model: Model,
    image: str,
    shape: Sequence[int | None],
    outputs: Sequence[str],
    constants: Mapping[str, NDArray[Any]],
    labels: Sequence[str] = (),
) -> Model:
    """A model whose only input is the image.

    Args:
        model: as it was converted.
        image: name of the image input.
        shape: its shape; None leaves a dimension as it is.
        outputs: names of the outputs in the framework's order; a converter that names them anew keeps their order.
        constants: values of the other inputs.
        labels: class names, written into the metadata.

    Raises:
        ModelError: the converter left out an input or an output, or gave another order of dimensions.
    """
    changed = model.clone()
    graph = changed.graph
    by_name = {value.name: value for value in graph.inputs}
    if image not in by_name:
        raise _lost("input", image, by_name)
    for other, value in by_name.items():
        if other != image:
            if other not in constants:
                raise _lost("input", str(other), constants)
            _make_constant(graph, value, constants[str(other)])
    graph.outputs[:] = _ordered(list(graph.outputs), outputs)
    _fix(by_name[image], shape)
    if labels:
        changed.metadata_props[_NAMES] = repr(list(labels))
    return Model(RemoveUnusedNodesPass()(changed).model, model.path)


def _ordered(given: list[ir.Value], wanted: Sequence[str]) -> list[ir.Value]:
    by_name = {value.name: value for value in given}
    missing = [name for name in wanted if name not in by_name]
    if not missing:
        return [by_name[name] for name in wanted]
    if len(missing) == len(wanted) == len(given):  # paddle2onnx 2 calls what Paddle 2 wrote fetch_name_0 and so on
        return given
    raise _lost("output", missing[0], by_name)


def _make_constant(graph: ir.Graph, value: ir.Value, array: NDArray[Any]) -> None:
    dtype = value.dtype.numpy() if value.dtype is not None else array.dtype
    graph.inputs.remove(value)
    value.const_value = ir.tensor(np.ascontiguousarray(array, dtype), name=value.name)
    value.shape = ir.Shape(array.shape)
    graph.register_initializer(value)


def _fix(value: ir.Value, shape: Sequence[int | None]) -> None:
    now = list(value.shape) if value.shape is not None else [None] * len(shape)
    if len(now) != len(shape):
        raise ModelError(
            f"the image input {value.name} has {len(now)} dimensions in ONNX and {len(shape)} in Paddle",
            todo="report this with the model attached",
        )
    value.shape = ir.Shape([old if new is None else new for old, new in zip(now, shape, strict=True)])


def _lost(kind: str, name: str, there: Mapping[str | None, Any] | Mapping[str, Any]) -> ModelError:
    return ModelError(
        f"paddle2onnx gave a model without the {kind} {name!r}",
        why=f"it has {', '.join(map(str, there)) or 'none'}",
        todo="try another version of Paddle (--paddle VERSION), or export the model again",
    )
