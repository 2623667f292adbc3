"""Names tell what a tensor is: reports, statistics and plans look tensors up by name across rewrites."""

from __future__ import annotations

import hashlib

import onnx_ir as ir

from edgewright.graph.model import Model

Description = tuple[object, ...]


def renamed_untouched(before: Model, after: Model) -> list[tuple[str, str]]:
    """Old and new name of tensors that the same op computes from the same tensors, but that changed their name."""
    known: dict[Description, list[str]] = {}
    for node in before.ir.graph:
        known.setdefault(_describe(node), []).extend(value.name or "" for value in node.outputs)
    left = {value.name for node in after.ir.graph for value in node.outputs}
    found = []
    for node in after.ir.graph:
        names = known.get(_describe(node))
        if names is None or left.intersection(names):
            continue  # a new tensor, or a copy of one that is still there
        found += [(names[0], value.name or "") for value in node.outputs if value.name and value.name not in names]
    return found


def computed_otherwise(before: Model, after: Model) -> list[str]:
    """Names of tensors of both models that another op computes, or the same op from other tensors.

    When these have the same values in both models, all tensors with a name in common have: each of the others is
    computed by the same op from tensors of the same names.
    """
    known = {value.name: _describe(node) for node in before.ir.graph for value in node.outputs}
    return [
        value.name or ""
        for node in after.ir.graph
        for value in node.outputs
        if value.name and value.name in known and known[value.name] != _describe(node)
    ]


def _describe(node: ir.Node) -> Description:
    attributes = tuple(
        (name, bytes(ir.serde.serialize_attribute(attribute).SerializeToString(deterministic=True)))
        for name, attribute in sorted(node.attributes.items())
    )
    inputs = tuple(_describe_input(value) for value in node.inputs)
    return (node.domain, node.op_type, attributes, inputs, len(node.outputs))


def _describe_input(value: ir.Value | None) -> str:
    if value is None:
        return ""
    if value.const_value is None:
        return f"tensor {value.name}"
    array = value.const_value.numpy()
    return f"constant {array.dtype} {array.shape} {hashlib.sha256(array.tobytes()).hexdigest()}"
