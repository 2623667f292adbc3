"""Quantised variants of one precision, cheapest first, until one passes.

1. everything in the wanted precision;
2. if that falls short: the decode tail in float;
3. if that falls short and no observer was asked for: the same with ranges taken in other ways.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from edgewright.errors import UserError
from edgewright.findings import Finding, Severity, listed
from edgewright.graph.model import Model
from edgewright.quant.layout import default_precisions
from edgewright.quant.plan import Precision
from edgewright.quant.profile import FusionProfile
from edgewright.verify.verdict import Limits
from edgewright.workflow.calibrated import Calibrated
from edgewright.workflow.inputs import ImageFiles
from edgewright.workflow.prepared import PreparedModel
from edgewright.workflow.recipe import AUTO, Recipe
from edgewright.workflow.variants import Built, Workshop

TRIAL_IMAGES = 32
"""Calibration images for observers that nobody asked for: histograms of so many say what all of them would, and a pass
for histograms costs three times one for ranges."""
TAIL_VARIANT = "decode tail in float"
OBSERVERS = ("minmax", "mse:4", "entropy")
"""In the order in which they are tried. No observer is best for every network, and none is even safe for every one."""


@dataclass(frozen=True)
class Quantiser:
    """What making quantised variants needs.

    Attributes:
        recipe, workshop, evaluation: see `workflow.deploy`.
        allowed: what counts as passed.
        calibrate: statistics for an observer's name, from all images or from so many.
        may_repair: false where nothing is worth mending, for the float model itself is wrong.
    """

    recipe: Recipe
    workshop: Workshop
    evaluation: ImageFiles
    allowed: Limits
    calibrate: Callable[[str, int | None], Calibrated]
    may_repair: bool = True

    def variants(self, precision: Precision) -> list[Built]:
        """The variants that were made, in order; the last one is the only one that can have passed."""
        observers = OBSERVERS if self.recipe.quantise.observer == AUTO else (self.recipe.quantise.observer,)
        calibrated = self.calibrate(observers[0], None)
        built = [self._whole(precision, precision, calibrated)]
        if not (self.recipe.verify.repair and self.may_repair):
            return built
        for observer in observers:
            if not self._falls_short(built[-1]):
                break
            changed = self._changed(precision, observer, observers[0], built[0])
            built += [changed] if changed is not None else []
        return built

    def _changed(self, precision: Precision, observer: str, usual: str, first: Built) -> Built | None:
        """The variant with the decode tail in float and ranges by `observer`; None when that changes nothing."""
        calibrated = self.calibrate(observer, None if observer == usual else TRIAL_IMAGES)
        tail = {name: why for name, why in calibrated.tail().items() if first.plan and name in first.plan.ops}
        by = "" if observer == usual else f", {observer}"
        if not tail:
            return None if observer == usual else self._whole(f"{precision}{by}", precision, calibrated)
        name = f"{precision}, {TAIL_VARIANT}{by}"
        kept = Finding(
            "EW302",
            Severity.INFO,
            precision,
            f"{len(tail)} ops behind the last convolutions are computed in float: {listed(list(tail))}.",
            {"ops": sorted(tail)},
        )
        plan = calibrated.plan(precision, tail)
        findings = (kept, *calibrated.check(plan, self.evaluation, ["mixed-range"]))
        return self.workshop.make(name, precision, plan, findings)

    def _whole(self, name: str, precision: Precision, calibrated: Calibrated) -> Built:
        plan = calibrated.plan(precision)
        return self.workshop.make(name, precision, plan, tuple(calibrated.check(plan, self.evaluation)))

    def _falls_short(self, built: Built) -> bool:
        return built.judge(self.allowed, None, "", "passed").verdict == "failed"


def nothing_to_quantise(
    recipe: Recipe, prepared: PreparedModel, model: Model, profile: FusionProfile
) -> Finding | None:
    """EW603 when the target computes no op of the model in integers.

    Raises:
        UserError: so it is, and the user wants nothing else.
    """
    if default_precisions(model, profile, "int8"):
        return None
    what = f"{recipe.target} computes no op of this model in integers"
    ops = ", ".join(sorted({node.op_type for node in model.ir.graph})[:8])
    if "float" not in recipe.precision:
        raise UserError(what, where=prepared.source["name"], why=f"its ops are {ops}", todo="--precision float")
    wanted = ", ".join(recipe.precision)
    return Finding("EW603", Severity.WARNING, wanted, f"{what} (its ops: {ops}), so there is no such variant.")
