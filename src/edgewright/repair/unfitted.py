"""Taking back what weights and biases were fitted to, where it is no longer there.

A bias that takes back what rounding moves the mean by moves it itself once the op is computed in float.
"""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from edgewright.graph.model import Model
from edgewright.graph.rewrites.editor import Editor, constant_of


def unfitted(model: Model, plain: Model, names: Collection[str]) -> Model:
    """The model with the constants that ops had before.

    Args:
        model: with weights and biases fitted to a plan.
        plain: the same nodes before that.
        names: of the nodes that get theirs back.
    """
    before = {node.name: node for node in plain.ir.graph}
    editor = Editor(model)
    changed = False
    for node in editor.graph:
        old = before.get(node.name)
        if node.name not in names or old is None:
            continue
        for index in range(1, len(node.inputs)):
            fitted = constant_of(node.inputs[index])
            if fitted is None:
                continue
            kept = constant_of(old.inputs[index]) if index < len(old.inputs) else np.zeros_like(fitted)
            if kept is not None and not np.array_equal(kept, fitted):
                editor.replace_constant(node, index, kept, "_plain")
                changed = True
    return editor.model() if changed else model
