"""What the toolkit did otherwise than the plan says, as findings."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from edgewright.findings import Finding, Severity, listed
from edgewright.quant.plan import PrecisionPlan
from edgewright.targets.artifact import Artifact
from edgewright.targets.rockchip.plan import precision_of
from edgewright.targets.rockchip.readback import BuiltGraph

_WIDTHS = {"int8": 0, "int16": 1, "float": 2}
_SAME_STEP = 1e-3
"""Relative difference of steps up to which they count as the same: the toolkit computes them from limits anew."""


def review(artifact: Artifact, plan: PrecisionPlan, built: BuiltGraph) -> list[Finding]:
    """Precisions that did not take hold, ranges that the toolkit replaced, grids that it made up."""
    return [
        *_widened(artifact),
        *_precisions(artifact, built),
        *_replaced(artifact, plan, built),
        *_own(artifact, built),
        *_weights(artifact, plan, built),
    ]


def _widened(artifact: Artifact) -> Iterator[Finding]:
    wider = list(artifact.read_back.get("wider", ()))
    if wider:
        yield Finding(
            "EW503",
            Severity.INFO,
            artifact.target,
            f"{len(wider)} ops that were planned in 16-bit integers are built in float16, for the compiler has no "
            f"such form of them: {listed(wider)}.",
            {"ops": wider},
        )


def _precisions(artifact: Artifact, built: BuiltGraph) -> Iterator[Finding]:
    outputs = {name for node in built.ends for name in node.outputs}
    asked = {name: one for name, one in built.precisions.items() if name in outputs and name in built.table}
    wrong = sorted(name for name, precision in asked.items() if built.precision(name) != precision)
    narrower = [name for name in wrong if _WIDTHS[built.precision(name)] < _WIDTHS[asked[name]]]
    wider = [name for name in wrong if name not in narrower]
    if narrower:
        yield Finding(
            "EW601",
            Severity.ERROR,
            artifact.target,
            f"{len(narrower)} tensors were built in a narrower type than planned: {listed(narrower)}.",
            {"tensors": {name: [asked[name], built.precision(name)] for name in narrower}},
        )
    if wider:
        yield Finding(
            "EW503",
            Severity.INFO,
            artifact.target,
            f"{len(wider)} tensors were built in a wider type than planned, by a rule of the toolkit: {listed(wider)}.",
            {"tensors": {name: [asked[name], built.precision(name)] for name in wider}},
        )


def _replaced(artifact: Artifact, plan: PrecisionPlan, built: BuiltGraph) -> Iterator[Finding]:
    wrong = sorted(
        name
        for name, ours in built.planned.items()
        if name in built.table  # a conversion takes another name with another type
        and not built.table[name]["fused"]
        and precision_of(str(built.table[name]["dtype"])) != "float"
        and abs(built.table[name]["scale"][0] / plan.activations[ours].step - 1) > _SAME_STEP
    )
    if wrong:
        steps = {name: [plan.activations[built.planned[name]].step, built.table[name]["scale"][0]] for name in wrong}
        yield Finding(
            "EW601",
            Severity.WARNING,
            artifact.target,
            f"RKNN-Toolkit2 put rules of its own before {len(wrong)} of {len(built.planned)} planned ranges (it clips "
            f"what a Sigmoid reads, and lets Concat and Split share ranges): {listed(wrong)}.",
            {"steps": steps},
        )


def _own(artifact: Artifact, built: BuiltGraph) -> Iterator[Finding]:
    own = sorted(
        name
        for node in built.ends
        for name in node.outputs
        if name not in built.planned and built.precision(name) != "float" and built.precisions.get(name) is not None
    )
    if own:
        yield Finding(
            "EW601",
            Severity.INFO,
            artifact.target,
            f"{len(own)} tensors have a grid of RKNN-Toolkit2's own calibration, for the plan has none where this chip "
            f"needs one: {listed(own)}.",
            {"tensors": own},
        )


def _weights(artifact: Artifact, plan: PrecisionPlan, built: BuiltGraph) -> Iterator[Finding]:
    """The toolkit takes no grids of weights, it makes its own from their values."""
    found = built.plan().weights
    wrong = sorted(
        name
        for name, grid in plan.weights.items()
        if name in found
        and grid.axis is not None
        and grid.scale.shape == found[name].scale.shape
        and (
            np.abs(found[name].scale / grid.scale - 1).max() > _SAME_STEP
            or (found[name].zero_point != grid.zero_point).any()
        )
    )
    if wrong:
        yield Finding(
            "EW601",
            Severity.INFO,
            artifact.target,
            f"{len(wrong)} of {len(found)} weights have a grid of RKNN-Toolkit2's own, which is not the planned one: "
            f"{listed(wrong)}.",
            {"weights": wrong},
        )
