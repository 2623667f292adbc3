"""Two chips with the same model: their own builds side by side, and which property costs how much."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from edgewright.diagnose.chip_swaps import measure_swaps, swapped_plans
from edgewright.diagnose.chips import ChipComparison, Swap, joined_rows, only_in, properties, same_grids
from edgewright.diagnose.vendor_layers import VendorLayers
from edgewright.errors import UserError
from edgewright.graph.reference import ReferenceSession
from edgewright.quant.plan import Precision
from edgewright.targets.layered import Layered
from edgewright.targets.registry import get_backend
from edgewright.workflow.analyser import Analyser, Traced
from edgewright.workflow.given import check_precisions
from edgewright.workflow.recipe import Recipe
from edgewright.workflow.trials import Trials

_SWAP_IMAGES = 16


def check_other(target: str, other: str, precision: Precision) -> None:
    """Refuse what cannot be compared before minutes are spent on it.

    Raises:
        UserError: a target shows no inner tensors, both are the same, or the other one has not this precision.
    """
    if target == other:
        raise UserError("a chip cannot be compared with itself", where=f"--against {other}", todo="name another target")
    backends = {name: get_backend(name) for name in (target, other)}
    for name, backend in backends.items():
        if not isinstance(backend, Layered):
            raise UserError(
                f"{name} has no toolchain that shows the tensors inside of what it built",
                where=f"--against {other}",
                todo="sophgo and rockchip targets have one; `edgewright targets` lists them",
            )
    check_precisions(other, [precision], backends[other])


def alike_for(recipe: Recipe, against: str) -> Recipe:
    """The recipe with grids that both chips have: without zero points where one of them has none."""
    chips = [get_backend(name).capabilities().fusion for name in (recipe.target, against)]
    if not any(chip.symmetric_activations for chip in chips):
        return recipe
    return recipe.model_copy(update={"quantise": recipe.quantise.model_copy(update={"symmetric": True})})


def compare_chips(here: Traced, analyser: Analyser) -> ChipComparison:
    """Compare.

    Args:
        here: what was traced for this chip.
        analyser: of the same recipe for the other chip.

    Raises:
        UserError: the two chips read the model in different forms.
        ToolchainError: the other chip's toolchain failed.
    """
    there = analyser.trace(*analyser.prepare())
    model = here.subject.model
    if model.digest != there.subject.model.digest:
        raise UserError(
            "the two chips cannot be compared: the model is prepared differently for them",
            why=f"opset {model.opset} for one, {there.subject.model.opset} for the other",
            todo="export the model with an opset that both toolchains read",
        )
    ours, theirs = _layers(here), _layers(there)
    same, both = same_grids(here.subject.asked, there.subject.asked)
    errors = {part.part: part.vendor for part in theirs.parts}
    return ChipComparison(
        here=here.quantised.artifact.target,
        there=there.quantised.artifact.target,
        where_here=ours.where,
        where_there=theirs.where,
        images=ours.images,
        same_grids=same,
        grids=both,
        rows=joined_rows(model, ours, theirs),
        only_here=only_in(ours.tensors, theirs),
        only_there=only_in(theirs.tensors, ours),
        parts={part.part: (part.vendor, errors.get(part.part)) for part in ours.parts},
        metrics=_metrics(here, there),
        swaps=_swaps(here, there),
        swap_images=here.subject.count(_SWAP_IMAGES),
        facts={
            "here": properties(model, here.subject.plan),
            "there": properties(model, there.subject.plan),
        },
    )


def _layers(traced: Traced) -> VendorLayers:
    if traced.vendor is None:
        raise UserError(f"{traced.quantised.artifact.target} shows no inner tensors")
    return traced.vendor


def _metrics(here: Traced, there: Traced) -> dict[str, tuple[float, float]]:
    ours, theirs = here.quantised.metric, there.quantised.metric
    return {} if ours is None or theirs is None else {ours.name: (ours.value, theirs.value)}


def _swaps(here: Traced, there: Traced) -> tuple[Swap, ...]:
    subject = here.subject
    names = {"here": here.quantised.artifact.target, "there": there.quantised.artifact.target}

    def compute(folder: Path) -> dict[str, Any]:
        del folder
        plans = swapped_plans(subject.model, subject.plan, there.subject.plan)
        with subject.progress.step("one property at a time"):
            trials = Trials(subject.task, subject.model, subject.images.spread(_SWAP_IMAGES))

            def agreement(session: ReferenceSession) -> float | None:
                metric = trials.trial(session, _SWAP_IMAGES).metric
                return None if metric is None else metric.value

            feeds = list(subject.feeds(_SWAP_IMAGES))
            found = measure_swaps(subject.model, plans, subject.task.head.parts, feeds, agreement)
        return {"swaps": [[swap.what.format(**names), dict(swap.parts), swap.agreement] for swap in found]}

    key = subject.stage_key(_SWAP_IMAGES, other=there.subject.plan.digest, names=names)
    return tuple(Swap(*swap) for swap in subject.run.stage("chip swaps", key, compute).data["swaps"])
