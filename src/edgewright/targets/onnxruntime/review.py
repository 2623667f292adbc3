"""What ONNX Runtime really did with a plan, as findings."""

from __future__ import annotations

from collections.abc import Mapping

from edgewright.findings import Finding, Severity, listed
from edgewright.quant.plan import PrecisionPlan
from edgewright.targets.artifact import Artifact
from edgewright.tensors import Grid


def review(
    artifact: Artifact, plan: PrecisionPlan, found: PrecisionPlan, host: Mapping[str, str], *, emulated: bool = False
) -> list[Finding]:
    """Compare what was asked for with what was built.

    Args:
        artifact: what was built, with the counts that were read from the optimised graph.
        plan: what was asked for.
        found: the plan as the built file says it.
        host: `Backend.host()`.
        emulated: the file computes what another chip would, so what this CPU makes of it does not matter.
    """
    here = [] if emulated else [*_ops_in_float(artifact, plan), *_saturating_cpu(plan, host)]
    return [*_differing_grids(artifact, plan, found), *here]


def _differing_grids(artifact: Artifact, plan: PrecisionPlan, found: PrecisionPlan) -> list[Finding]:
    pairs = [
        (plan.activations, found.activations),
        (plan.narrowed, found.narrowed),
        (plan.weights, found.weights),
    ]
    wrong = sorted({name for asked, built in pairs for name in _unlike(asked, built)})
    if not wrong:
        return []
    return [
        Finding(
            "EW601",
            Severity.ERROR,
            artifact.target,
            f"{len(wrong)} grids of the built file are not those of the plan: {listed(wrong)}.",
            {"tensors": wrong},
        )
    ]


def _unlike(asked: Mapping[str, Grid], built: Mapping[str, Grid]) -> list[str]:
    return [
        name
        for name in {*asked, *built}
        if name not in asked or name not in built or asked[name].to_json() != built[name].to_json()
    ]


def _ops_in_float(artifact: Artifact, plan: PrecisionPlan) -> list[Finding]:
    in_float = list(artifact.read_back["in_float"])
    if not in_float:
        return []
    return [
        Finding(
            "EW503",
            Severity.INFO,
            artifact.target,
            f"{len(in_float)} of {len(plan.ops)} ops planned in integers run in float between conversions: "
            f"{listed(in_float)}.",
            {"ops": in_float, "conversions": artifact.read_back["conversions"]},
        )
    ]


def _saturating_cpu(plan: PrecisionPlan, host: Mapping[str, str]) -> list[Finding]:
    unsigned = any(grid.dtype == "uint8" for grid in plan.activations.values())
    if not unsigned or host["int8_dot_product"] != "none" or host["architecture"] not in ("x86_64", "AMD64"):
        return []
    return [
        Finding(
            "EW502",
            Severity.WARNING,
            host["cpu"],
            "This CPU has no int8 dot product, so sums of uint8 by int8 products may saturate at 16 bits.",
            dict(host),
            "Try --activation int8, and verify on the CPU that will run it.",
        )
    ]
