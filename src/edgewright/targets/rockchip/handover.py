"""The model as it is handed to the toolkit: the same function, in a form that the toolkit's own rewrites survive."""

from __future__ import annotations

import onnx_ir as ir

from edgewright.graph.model import Model

_DEFAULTS = {"HardSigmoid": {"alpha": 0.2, "beta": 0.5}}
"""Attributes whose default the toolkit does not know: its rule that makes HardSwish of HardSigmoid and Mul compares
them with numbers and fails on a missing one (recorded, 2.3.2 and 2.5.0). Source of the values: ONNX operators."""


def model_for_toolkit(model: Model) -> bytes:
    """The serialised model with defaults written out."""
    lacking = [
        (index, name)
        for index, node in enumerate(model.ir.graph)
        for name in _DEFAULTS.get(node.op_type, ())
        if node.domain in ("", "ai.onnx") and name not in node.attributes
    ]
    if not lacking:
        return model.data
    changed = model.clone()
    nodes = list(changed.graph)
    for index, name in lacking:
        node = nodes[index]
        node.attributes[name] = ir.AttrFloat32(name, _DEFAULTS[node.op_type][name])
    return Model(changed, model.path).data
