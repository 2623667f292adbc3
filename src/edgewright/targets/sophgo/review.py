"""What TPU-MLIR did with a plan, as findings."""

from __future__ import annotations

from edgewright.findings import Finding, Severity, listed
from edgewright.quant.plan import PrecisionPlan
from edgewright.targets.artifact import Artifact
from edgewright.targets.sophgo.readback import describe

DIFFERENT = 1e-3
"""Relative difference of chip file and lowered module from which figures of the latter do not stand for the chip."""

_ROUNDING = 1e-5
"""Relative difference that the order of float sums explains."""


def review(artifact: Artifact, plan: PrecisionPlan | None) -> list[Finding]:
    """Compare what was asked for with what was built."""
    return [*_identity(artifact), *(_plan(artifact) if plan is not None else [])]


def _identity(artifact: Artifact) -> list[Finding]:
    found = artifact.read_back["identity"]
    most = artifact.read_back.get("most_images")
    if not found["samples"] or (most is None and found["relative_l2"] <= _ROUNDING):
        return []
    before = list(artifact.read_back.get("float_before_codes", ()))
    where = "The chip's file, on the vendor's model of the chip, and the module that it was compiled from"
    apart = f"are {found['relative_l2']:.2g} apart (relative L2 on {found['samples']} images)"
    alike = f"agree on {found['samples']} images, but need not on others"
    gap = f"{where} {alike if found['same'] else apart}"
    why = (
        f": float sums end in other last digits there, {listed(before)} are put on codes behind them, and a value "
        f"between two codes that falls on the other one changes every rounding after it"
    )
    rests = f" Figures are the chip file's, on {most} images at most." if most is not None else ""
    evidence = {**found, "float_before_codes": before}
    return [Finding("EW609", Severity.INFO, artifact.target, f"{gap}{why if before else ''}.{rests}", evidence)]


def _plan(artifact: Artifact) -> list[Finding]:
    found = []
    in_float = list(artifact.read_back["in_float"])
    if in_float:
        found.append(
            Finding(
                "EW503",
                Severity.INFO,
                artifact.target,
                f"{len(in_float)} ops that were planned in 8 bits run in float: {listed(in_float)}.",
                {"ops": in_float, "conversions": artifact.read_back["conversions"]},
            )
        )
    changed = artifact.read_back["changed_grids"]
    if changed:
        found.append(
            Finding(
                "EW601",
                Severity.INFO,
                artifact.target,
                f"TPU-MLIR put {len(changed)} tensors on another grid than the plan's, mostly so that neighbours share "
                f"one: {describe(changed)}.",
                {"grids": changed},
            )
        )
    return found
