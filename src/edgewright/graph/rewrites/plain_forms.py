"""Equal forms that targets fuse or have in integers; a file of small local rules.

- a Sigmoid that several ops read, one of them the product of SiLU: each reader gets a Sigmoid of its own, so that Conv,
  Sigmoid and Mul can be one op again (the same for HardSigmoid and HardSwish);
- Clip from 0 to infinity: Relu;
- division by a constant: multiplication with its inverse.
"""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from edgewright.graph.model import Model
from edgewright.graph.rewrites.base import REWRITES, RewriteContext, Rewritten
from edgewright.graph.rewrites.editor import Editor, constant_of, float_constant

_GATES = frozenset({"Sigmoid", "HardSigmoid"})


class PlainForms:
    """See `Rewrite`."""

    name = "plain-forms"
    requires = "a Sigmoid with several readers, a Clip that is a Relu, or a division by a constant"
    ensures = "the same function in ops that targets fuse or compute in integers"
    cost = "a copy of a Sigmoid for each further reader; else nothing"

    def apply(self, model: Model, context: RewriteContext) -> Rewritten | None:
        """Apply every rule wherever it fits."""
        del context
        editor = Editor(model)
        gates = [node.name or "" for node in list(editor.graph) if _own_gates(editor, node)]
        clips = [node.name or "" for node in list(editor.graph) if _clip_to_relu(editor, node)]
        divisions = [node.name or "" for node in list(editor.graph) if _div_to_mul(editor, node)]
        found = {"own_gates": gates, "relus": clips, "products": divisions}
        if not any(found.values()):
            return None
        words = {
            "own_gates": "Each reader got a sigmoid of its own",
            "relus": "Clip became Relu",
            "products": "division by a constant became a product",
        }
        told = "; ".join(f"{words[key]}: {', '.join(names)}" for key, names in found.items() if names)
        facts = {"rewrite": self.name, "text": f"{told[0].upper()}{told[1:]}.", "tensors": {}, **found}
        return Rewritten(editor.model(), None, facts)


def _own_gates(editor: Editor, node: ir.Node) -> bool:
    """Whether the SiLU that a gate belongs to got the gate for itself; other readers get copies."""
    if node.op_type not in _GATES:
        return False
    value = node.outputs[0]
    uses = list(value.uses())
    products = [use for use in uses if use.node.op_type == "Mul" and node.inputs[0] in use.node.inputs]
    if not products or len(uses) + int(value.is_graph_output()) < 2:
        return False
    # the original stays with the output of the model, whose name must not change, else with the first product
    keeper = None if value.is_graph_output() else products[0]
    for use in uses:
        if keeper is None or (use.node, use.idx) != (keeper.node, keeper.idx):
            use.node.replace_input_with(use.idx, editor.copy(node, {}, "_copy").outputs[0])
    return True


def _clip_to_relu(editor: Editor, node: ir.Node) -> bool:
    if node.op_type != "Clip":
        return False
    low, high = (constant_of(node.inputs[place]) if len(node.inputs) > place else None for place in (1, 2))
    absent = len(node.inputs) < 3 or node.inputs[2] is None
    unbounded = absent or (high is not None and float(high) >= float(np.finfo(np.float32).max))
    if low is None or float(low) != 0.0 or not unbounded or node.inputs[0] is None:
        return False
    _replace(editor, node, "Relu", [node.inputs[0]])
    return True


def _div_to_mul(editor: Editor, node: ir.Node) -> bool:
    divisor = float_constant(node.inputs[1]) if node.op_type == "Div" else None
    value, constant = node.inputs[0], node.inputs[1] if len(node.inputs) > 1 else None
    if divisor is None or value is None or constant is None or not (np.isfinite(divisor) & (divisor != 0)).all():
        return False
    inverse = (1.0 / divisor.astype(np.float64)).astype(np.float32)
    if not np.isfinite(inverse).all():
        return False
    _replace(editor, node, "Mul", [value, editor.constant(f"{constant.name}_inverse", inverse)])
    return True


def _replace(editor: Editor, node: ir.Node, op_type: str, inputs: list[ir.Value]) -> None:
    """Another op under the same name, with the same output."""
    old = node.outputs[0]
    name = old.name
    made = ir.Value(name=name, shape=old.shape, type=old.type)
    fresh = ir.node(op_type, inputs, outputs=[made], name=node.name)
    fresh.metadata_props.update(node.metadata_props)
    node.append(fresh)
    for use in tuple(old.uses()):
        use.node.replace_input_with(use.idx, made)
    for index, value in enumerate(list(editor.graph.outputs)):
        if value is old:
            editor.graph.outputs[index] = made
    editor.graph.remove(node, safe=True)


REWRITES.add(PlainForms.name, PlainForms())
