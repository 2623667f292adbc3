"""Every node gets a name of its own, kept from the exporter where there is one."""

from __future__ import annotations

from edgewright.graph.model import Model
from edgewright.graph.steps.base import STEPS, PrepareOptions, Step


def run(model: Model, options: PrepareOptions) -> tuple[Model, str] | None:
    """Name unnamed nodes after their op and first output; make repeated names unique."""
    del options
    names = [node.name or "" for node in model.ir.graph]
    if all(names) and len(set(names)) == len(names):
        return None
    changed = model.clone()
    taken: set[str] = set()
    renamed = 0
    for node in changed.graph:
        wanted = node.name or f"{node.op_type}_{node.outputs[0].name}"
        name, suffix = wanted, 1
        while name in taken:
            suffix += 1
            name = f"{wanted}_{suffix}"
        renamed += name != node.name
        node.name = name
        taken.add(name)
    return Model(changed, model.path), f"{renamed} nodes were given names"


STEPS.add("name-nodes", Step("name-nodes", "give every node a name of its own", run, needed=True))
