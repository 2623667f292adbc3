"""Another grid for the input of a QDQ model."""

from __future__ import annotations

import numpy as np

from edgewright.graph.model import Model
from edgewright.graph.rewrites.editor import Editor, readers
from edgewright.tensors import Grid


def with_input_grid(model: Model, name: str, grid: Grid) -> Model:
    """The model with `grid` in every QuantizeLinear that reads the input, and in what reads those codes.

    A model without such a node comes back as it is: its input has no grid.

    Args:
        model: with or without QuantizeLinear and DequantizeLinear.
        name: of the input.
        grid: per tensor, of the type that the codes have.

    Raises:
        ValueError: the codes are of another type, or the grid is per channel.
    """
    if grid.axis is not None:
        raise ValueError("the grid must be one for the whole tensor")
    editor = Editor(model)
    quantisers = [node for node in readers(editor.values[name]) if node.op_type == "QuantizeLinear"]
    for node in (*quantisers, *(reader for one in quantisers for reader in readers(one.outputs[0]))):
        if node.op_type not in ("QuantizeLinear", "DequantizeLinear"):
            continue
        zero = node.inputs[2].const_value if len(node.inputs) > 2 and node.inputs[2] is not None else None
        if zero is None or str(zero.numpy().dtype) != grid.dtype:
            raise ValueError(f"{node.name}: its codes are not {grid.dtype}")
        editor.replace_constant(node, 1, np.asarray(grid.scale), "_io")
        editor.replace_constant(node, 2, np.asarray(grid.zero_point).astype(grid.dtype), "_io")
    return editor.model() if quantisers else model
