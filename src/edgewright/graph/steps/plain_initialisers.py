"""Initialisers that are listed as graph inputs become plain initialisers."""

from __future__ import annotations

from edgewright.graph.model import Model
from edgewright.graph.steps.base import STEPS, PrepareOptions, Step


def run(model: Model, options: PrepareOptions) -> tuple[Model, str] | None:
    """Take every input that has an initialiser off the list of inputs."""
    del options
    listed = [value.name for value in model.ir.graph.inputs if value.name in model.ir.graph.initializers]
    if not listed:
        return None
    changed = model.clone()
    kept = [value for value in changed.graph.inputs if value.name not in changed.graph.initializers]
    changed.graph.inputs.clear()
    changed.graph.inputs.extend(kept)
    return Model(changed, model.path), f"{len(listed)} initialisers were listed as inputs"


STEPS.add(
    "plain-initialisers",
    Step(
        "plain-initialisers",
        "take weights off the list of inputs",
        run,
        finding="EW103",
        needed=True,
        defines_inputs=True,
    ),
)
