"""Activations that the target would compute with the Conv before them, were there not a second reader in between."""

from __future__ import annotations

import math
from dataclasses import dataclass

import onnx_ir as ir

from edgewright.diagnose.causes.base import CAUSES, CauseContext, damage_by, name_of, share_of
from edgewright.diagnose.causes.nonlinear import gate_of
from edgewright.diagnose.causes.say import cause, percent, user_name
from edgewright.findings import Finding, listed


@dataclass(frozen=True)
class _Blocked:
    """A group of ops that could be one.

    Attributes:
        ops: the weight op, what stands between, and the activation's last op.
        between: values that would have no grid.
        shared: the one of them that blocks.
        readers: what reads it besides the group.
    """

    ops: tuple[ir.Node, ...]
    between: tuple[ir.Value, ...]
    shared: ir.Value
    readers: tuple[ir.Node, ...]


@CAUSES.register("blocked-fusion")
def blocked_fusion(context: CauseContext) -> list[Finding]:
    """Report Conv with an activation behind it that has a grid in between for the sake of another reader."""
    found = []
    for node in context.on_codes():
        group = _silu(context, node) or _activation(context, node)
        if group is not None:
            finding = _finding(context, group)
            found += [] if finding is None else [finding]
    return found


def _silu(context: CauseContext, multiply: ir.Node) -> _Blocked | None:
    sigmoid = gate_of(multiply) if context.profile.fuse_silu else None
    if sigmoid is None or sigmoid.op_type != "Sigmoid" or sigmoid.inputs[0] is None:
        return None
    return _group(context, (sigmoid.inputs[0], sigmoid.outputs[0]), (sigmoid, multiply))


def _activation(context: CauseContext, node: ir.Node) -> _Blocked | None:
    if node.op_type not in context.profile.fused_activations or node.inputs[0] is None:
        return None
    return _group(context, (node.inputs[0],), (node,))


def _group(context: CauseContext, between: tuple[ir.Value, ...], ops: tuple[ir.Node, ...]) -> _Blocked | None:
    weighted, precisions = between[0].producer(), context.plan.ops
    if weighted is None or weighted.op_type not in context.profile.weight_ops:
        return None
    group = (weighted, *ops)
    if any(precisions.get(node.name or "", "float") == "float" for node in group):
        return None  # the plan keeps them apart, not a reader
    for value in between:  # the convolution's other readers first: a sigmoid can be copied for its own
        readers = tuple(dict.fromkeys(usage.node for usage in value.uses() if usage.node not in group))
        if readers or value.is_graph_output():
            return _Blocked(group, between, value, readers)
    return None


def _finding(context: CauseContext, group: _Blocked) -> Finding | None:
    errors = [context.errors[name] for value in group.between if (name := value.name or "") in context.errors]
    costs = {error.tensor: damage_by(error, error.grid) for error in errors}
    damage = math.sqrt(sum(cost * cost for cost in costs.values()))
    if not errors or not any(context.matters(error, share_of(error, error.grid)) for error in errors):
        return None
    worst = max(errors, key=lambda error: costs[error.tensor])
    others = [name_of(context, node) for node in group.readers]
    why = f"{listed(others)} read{'s' if len(others) == 1 else ''}" if others else "an output of the model shows"
    holder = group.shared.producer()
    shared = group.shared.name if holder is None else name_of(context, holder)
    return cause(
        "EW316",
        worst,
        f"{user_name(worst)}: the target computes {', '.join(node.op_type for node in group.ops)} as one op, but "
        f"{why} the result of {shared} as well, so {len(costs)} tensor{'s' * (len(costs) > 1)} in between "
        f"{'have grids' if len(costs) > 1 else 'has a grid'} of 8 bits: {percent(damage)} for the sake of one reader.",
        {
            "group": [node.name or "" for node in group.ops],
            "between": list(costs),
            "shared": group.shared.name or "",
            "readers": others,
            "is_output": group.shared.is_graph_output(),
        },
        [*(["plain-forms"] if group.shared is not group.between[0] else ["ranges"]), "16bit", "float"],
        damage,
    )
