"""Values that are not numbers, inside the network and in its constants."""

from __future__ import annotations

from edgewright.checks.base import CHECKS, CheckContext
from edgewright.findings import Finding, Severity, listed
from edgewright.quant.layout import non_finite_constants


@CHECKS.register("non-finite")
def non_finite(context: CheckContext) -> list[Finding]:
    """Tensors that held NaN or Inf on calibration images, and ops that such constants keep in float."""
    if context.plan is None or context.model is None:
        return []
    found = []
    tensors = sorted(name for name, seen in context.statistics.items() if seen.holds_non_finite)
    if tensors:
        found.append(
            Finding(
                "EW304",
                Severity.WARNING,
                tensors[0],
                f"{len(tensors)} tensors held NaN or Inf on calibration images: {listed(tensors)}.",
                {"tensors": tensors},
            )
        )
    nodes = sorted(node.name or "" for node in context.model.ir.graph if non_finite_constants(node))
    if nodes:
        found.append(
            Finding(
                "EW305",
                Severity.INFO,
                nodes[0],
                f"{len(nodes)} ops have constants that are not finite and stay in float: {listed(nodes)}.",
                {"ops": nodes},
            )
        )
    return found
