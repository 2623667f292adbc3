"""Which head family a model has."""

from __future__ import annotations

from edgewright.errors import UserError
from edgewright.graph.model import Model
from edgewright.tasks.base import FAMILIES, Head
from edgewright.tensors import whole_outputs

TENSORS = "tensors"  # the word for: no head, compare whole outputs


def recognise(model: Model, task: str | None = None) -> Head:
    """The head of a model.

    Families are asked in the order of registration. Each asks the graph for evidence that excludes the others, so the
    order matters only for graphs that tell nothing; then the result is still the same on every run.

    Args:
        model: a model with static shapes; outputs of unknown shape fit no family.
        task: a family's name, which overrules the graph's evidence (not the shapes), or "tensors" for no head.

    Returns:
        The head; family "none" and task "tensors", with each output as one part, when no family fits.

    Raises:
        UserError: there is no such family, or its shapes are not those of the model.
    """
    if task == TENSORS:
        return _no_head(model, "chosen by the user")
    if task is not None:
        return _chosen(model, task)
    for family in FAMILIES:
        head = family.recognise(model)
        if head is not None:
            return head
    return _no_head(model, f"no family ({', '.join(FAMILIES.names())}) has these outputs")


def _chosen(model: Model, task: str) -> Head:
    try:
        family = FAMILIES.get(task)
    except UserError as error:
        raise UserError(error.what, todo=f"{error.todo}; or {TENSORS}, for outputs without a known meaning") from None
    head = family.recognise(model) or family.fit(model)
    if head is None:
        raise UserError(
            f"this model cannot be read as {family.name}",
            where=model.name,
            why=f"{family.name} needs {family.needs}; "
            f"the model has inputs {_specs(model.inputs)} and outputs {_specs(model.outputs)}",
            todo="leave --task out to have the head recognised, or use --task tensors",
        )
    return head


def _no_head(model: Model, evidence: str) -> Head:
    return Head("none", TENSORS, whole_outputs(model.outputs), evidence=evidence)


def _specs(specs: tuple[object, ...]) -> str:
    return ", ".join(str(spec) for spec in specs)
