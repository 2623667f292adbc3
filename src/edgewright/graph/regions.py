"""Regions of a network, by structure: stem, backbone, neck, head, tail. No name of any exporter is looked at.

- tail: what lies behind the last operators with learnt weights (decoding: DFL, anchors, strides, sigmoid, joins);
- head: what lies behind the last change of resolution;
- backbone: what leads to the first upsampling, or to the last downsampling where nothing is upsampled;
- stem: the part of the backbone before its second downsampling;
- neck: the rest.

A block that stands between the last change of resolution and the branches of the head counts as head: structure alone
cannot tell it from them.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import numpy as np
import onnx_ir as ir

from edgewright.graph.model import Model

Region = Literal["stem", "backbone", "neck", "head", "tail"]
REGIONS: tuple[Region, ...] = ("stem", "backbone", "neck", "head", "tail")
WEIGHTED_OPS = frozenset({"Conv", "ConvTranspose", "Gemm", "MatMul"})
_POOLS = frozenset({"MaxPool", "AveragePool", "LpPool"})


def is_learnt(node: ir.Node) -> bool:
    """Whether a node has learnt weights. The fixed 1x1 Conv of DFL (weights 0, 1, 2...) is arithmetic, not learnt."""
    if node.op_type not in WEIGHTED_OPS:
        return False
    constants = [value for value in node.inputs[:3] if value is not None and value.const_value is not None]
    return bool(constants) and not any(_counts_up(value) for value in constants)


def _counts_up(value: ir.Value) -> bool:
    tensor = value.const_value
    if tensor is None or not 4 <= tensor.size <= 256:
        return False
    # some exporters' constant folding leaves 5.0000668 for 5
    return bool(np.allclose(tensor.numpy().ravel(), np.arange(tensor.size), rtol=0, atol=1e-3))


def decode_tail(model: Model, absorbed: Iterable[str] = ("Relu", "Clip")) -> set[str]:
    """Names of the nodes behind the last learnt operators.

    Args:
        model: a prepared model.
        absorbed: op types that a Conv before them absorbs: directly behind one they belong to it, not to the tail.
    """
    absorbed = frozenset(absorbed)
    before_learnt = _ancestors(node for node in model.ir.graph if is_learnt(node))
    tail: set[str] = set()
    for node in model.ir.graph:
        if node in before_learnt or is_learnt(node):
            continue
        producer = node.inputs[0].producer() if node.inputs and node.inputs[0] is not None else None
        joined = node.op_type in absorbed and producer is not None and is_learnt(producer)
        if not joined:
            tail.add(node.name or "")
    return tail


def head_outputs(model: Model, absorbed: Iterable[str] = ("Relu", "Clip")) -> set[str]:
    """Names of the tensors that carry the network's answer: what enters the decode tail, and everything inside it.

    Objects are rare, so the few large values of a score map are its content, not outliers: a range that cuts off one
    value in ten thousand ties the best detections with each other.
    """
    tail = decode_tail(model, absorbed)
    found = {value.name or "" for value in model.ir.graph.outputs}
    for node in model.ir.graph:
        if node.name in tail:
            found.update(value.name or "" for value in (*node.inputs, *node.outputs) if value is not None)
    return found


def regions(model: Model) -> dict[str, Region]:
    """Region of every node, by node name."""
    nodes = list(model.ir.graph)
    tail = decode_tail(model)
    body = [node for node in nodes if node.name not in tail]
    shrinking = [node for node in body if _shrinks(node)]
    growing = [node for node in body if node.op_type in ("Resize", "Upsample", "ConvTranspose")]
    towards_change = _ancestors([*shrinking, *growing]) | {*shrinking, *growing}
    # the backbone ends where the first upsampling takes over from it, else at the last downsampling
    anchors = growing[:1] or shrinking[-1:]
    backbone = _ancestors(anchors) | ({*anchors} if not growing else set())
    stem_end = shrinking[1] if len(shrinking) > 1 else None
    stem = _ancestors([stem_end]) if stem_end is not None else set()
    result: dict[str, Region] = {}
    for node in nodes:
        name = node.name or ""
        if name in tail:
            result[name] = "tail"
        elif node in stem:
            result[name] = "stem"
        elif node in backbone:
            result[name] = "backbone"
        elif node in towards_change:
            result[name] = "neck"
        else:
            result[name] = "head"
    return result


def count_regions(model: Model) -> dict[str, int]:
    """Number of nodes in each region, in the order of the way through the network."""
    found = list(regions(model).values())
    return {region: found.count(region) for region in REGIONS if region in found}


def _shrinks(node: ir.Node) -> bool:
    if node.op_type not in WEIGHTED_OPS | _POOLS:
        return False
    strides = node.attributes.get_ints("strides", [])
    return any(stride > 1 for stride in strides)


def _ancestors(nodes: Iterable[ir.Node]) -> set[ir.Node]:
    """All nodes from which a path leads to one of `nodes`, without these themselves unless they feed another."""
    seen: set[ir.Node] = set()
    stack = list(nodes)
    while stack:
        for producer in stack.pop().predecessors():
            if producer not in seen:
                seen.add(producer)
                stack.append(producer)
    return seen
