"""Which property of one chip costs how much: the other chip's plan with one property changed at a time, emulated."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from edgewright.diagnose.chips import Swap, weight_names
from edgewright.graph.model import Model
from edgewright.graph.reference import Feeds, ReferenceSession
from edgewright.graph.regions import decode_tail
from edgewright.quant.grids import weight_grid
from edgewright.quant.plan import PrecisionPlan
from edgewright.quant.qdq import write_qdq
from edgewright.tensors import Grid, Part
from edgewright.verify.part_error import PartErrors

OTHER, THIS = "as {there}", "as {here}"
ONE_STEP = "one step for a whole weight, the finest that holds it"
WEIGHTS = "weights on the steps of {here}"
BIASES = "biases as on {here}"
ACTIVATIONS = "activations on the grids of {here}"
PRECISIONS = "ops in float as on {here}"


def swapped_plans(model: Model, here: PrecisionPlan, there: PrecisionPlan) -> Iterator[tuple[str, PrecisionPlan]]:
    """The other chip's plan with one property of this chip at a time; where they do not differ there is none.

    First comes the other chip's plan itself, last this chip's. The decode tail is in float in all of them: a grid that
    boxes and scores share there wipes the scores out on any chip, and with them what else differs.

    Args:
        here, there: what the chips are expected to compute.
    """
    here, there = (_without_tail(model, plan) for plan in (here, there))
    weights, biases = weight_names(model)
    yield OTHER, there
    coarse = _one_step(model, weights, here, there)
    if coarse:
        yield ONE_STEP, replace(there, weights={**there.weights, **coarse})
    for what, names in ((WEIGHTS, weights), (BIASES, biases)):
        changed = _changed(names, here.weights, there.weights)
        if changed:
            yield what, replace(there, weights={**there.weights, **changed})
    grids = _changed(list(there.activations), here.activations, there.activations)
    if grids:
        yield ACTIVATIONS, replace(there, activations={**there.activations, **grids})
    ops = {name: one for name, one in there.ops.items() if name in here.ops}
    if len(ops) < len(there.ops):
        yield PRECISIONS, replace(there, ops=ops)
    yield THIS, here


def measure_swaps(
    model: Model,
    plans: Iterable[tuple[str, PrecisionPlan]],
    parts: Sequence[Part],
    feeds: Sequence[Feeds],
    agreement: Callable[[ReferenceSession], float | None] | None = None,
) -> list[Swap]:
    """Relative L2 of each part under each plan, emulated.

    Args:
        model: the prepared model, in float.
        plans: what each is called, and the plan.
        feeds: network inputs.
        agreement: how well the detections of a session agree with those of the float model.
    """
    reference = ReferenceSession(model.data, name=model.name)
    found = []
    for what, plan in plans:
        session = ReferenceSession(write_qdq(model, plan).data, name=model.name)
        errors = PartErrors(parts)
        for sample in feeds:
            errors.update(reference(sample), session(sample))
        agrees = None if agreement is None else agreement(session)
        found.append(Swap(what, {error.part: error.relative_l2 for error in errors.result()}, agrees))
    return found


def _without_tail(model: Model, plan: PrecisionPlan) -> PrecisionPlan:
    tail = decode_tail(model)
    made = {value.name for node in model.ir.graph if (node.name or "") in tail for value in node.outputs}
    return replace(
        plan,
        ops={name: one for name, one in plan.ops.items() if name not in tail},
        activations={name: grid for name, grid in plan.activations.items() if name not in made},
        narrowed={name: grid for name, grid in plan.narrowed.items() if name not in made},
    )


def _one_step(model: Model, weights: Sequence[str], here: PrecisionPlan, there: PrecisionPlan) -> dict[str, Grid]:
    """Grids of whole weights where this chip has one step and the other one for each channel."""
    found: dict[str, Grid] = {}
    for name in weights:
        ours, theirs = here.weights.get(name), there.weights.get(name)
        tensor = model.ir.graph.initializers[name].const_value if name in model.ir.graph.initializers else None
        if ours is None or theirs is None or tensor is None:
            continue
        if ours.axis is None and theirs.axis is not None:
            found[name] = weight_grid(tensor.numpy(), "int8")
    return found


def _changed(names: Sequence[str], here: Mapping[str, Grid], there: Mapping[str, Grid]) -> dict[str, Grid]:
    return {
        name: here[name]
        for name in names
        if name in here and name in there and here[name].to_json() != there[name].to_json()
    }
