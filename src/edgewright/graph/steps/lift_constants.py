"""Constant nodes become initialisers, so that weights and anchors are found in one place."""

from __future__ import annotations

from onnx_ir.passes.common import LiftConstantsToInitializersPass, RemoveUnusedNodesPass

from edgewright.graph.model import Model
from edgewright.graph.steps.base import STEPS, PrepareOptions, Step


def run(model: Model, options: PrepareOptions) -> tuple[Model, str] | None:
    """Lift constants and drop nodes that no output needs."""
    del options
    changed = model.clone()
    before = sum(1 for _ in changed.graph)
    lifted = LiftConstantsToInitializersPass(lift_all_constants=True, size_limit=0)(changed)
    swept = RemoveUnusedNodesPass()(lifted.model)
    if not (lifted.modified or swept.modified):
        return None
    after = sum(1 for _ in swept.model.graph)
    return Model(swept.model, model.path), f"{before - after} constant or unused nodes are gone"


STEPS.add("lift-constants", Step("lift-constants", "turn constants into initialisers, drop unused nodes", run))
