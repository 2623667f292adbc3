"""Remedies that come in degrees: 16 bits, or float, for as many tensors as are needed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from edgewright.findings import listed
from edgewright.graph.macs import count_macs
from edgewright.quant.plan import Precision
from edgewright.repair.bench import Bench
from edgewright.repair.candidate import Applied, Candidate
from edgewright.repair.effects import candidate_effects
from edgewright.repair.remedies.base import Kind
from edgewright.repair.unfitted import unfitted
from edgewright.repair.widening import Step, wide_share, widening_order


@dataclass(frozen=True)
class Widening:
    """Wider types for the tensors whose 8-bit grid damages the outputs most.

    Attributes:
        precision: what ops become.
        words: for the table.
    """

    name: str
    kind: Kind
    precision: Precision
    words: str
    budget: str
    requires = "8-bit activations, a derivative of the outputs, and a target with the wider type"
    ensures = "the tensors that damage the outputs most are wide from end to end"
    cost = "the ops that touch them run wider; a conversion where a wide tensor meets a narrow op"

    def steps(self, candidate: Candidate, bench: Bench, largest_share: float) -> tuple[Step, ...]:
        """Degrees in order; each holds all before it. Empty where nothing is known to help."""
        if self.precision not in bench.material.precisions:
            return ()
        effects = candidate_effects(candidate, bench)
        return widening_order(
            candidate.model,
            bench.material.maker.profile,
            {name: precision for name, precision in candidate.ops.items() if precision != "float"},
            effects.in_float if self.precision == "float" else effects.grids,
            count_macs(candidate.model),
            largest_share,
            by_op=self.precision == "float",
        )

    def widened(self, candidate: Candidate, steps: Sequence[Step], bench: Bench) -> Candidate:
        """The candidate with the ops of `steps` wide."""
        names = sorted({name for step in steps for name in step.ops if name in candidate.ops})
        why = dict.fromkeys(names, f"{self.words}: its tensors damage the outputs most at 8 bits")
        tensors = [step.tensor for step in steps]
        profile = bench.material.maker.profile
        macs = count_macs(candidate.model)
        share = wide_share(candidate.model, profile, candidate.ops, macs, names, by_op=self.precision == "float")
        words = f"{len(names)} ops {self.words} ({100 * share:.1f} % of MACs)"
        text = f"{words}, so that these tensors are wide from end to end: {listed(tensors)}."
        order = [{"tensor": step.tensor, "ops": list(step.ops), "predicted": step.gain} for step in steps]
        facts = {"ops": names, "wide": tensors, "macs": share, "steps": order}
        wide: dict[str, Precision] = dict.fromkeys(names, self.precision)
        kept = {name: entry for name, entry in {**candidate.ops, **wide}.items() if entry != "float"}
        model, plain = candidate.model, candidate.plain
        if self.precision == "float" and plain is not None:
            model = unfitted(model, plain, names)
        return candidate.with_remedy(
            Applied(self.name, words, text, facts),
            model=model,
            ops=kept,
            reasons={**candidate.reasons, **why},
        )


WIDENINGS: tuple[Widening, ...] = (
    Widening("16bit", "16bit", "int16", "in 16 bits", "int16-macs"),
    Widening("float", "float", "float", "in float", "float-macs"),
)


def throughout(candidate: Candidate, bench: Bench) -> Candidate | None:
    """The candidate with every op on codes in 16 bits; None where the target has none."""
    if "int16" not in bench.material.precisions:
        return None
    ops: dict[str, Precision] = {name: "int16" for name, precision in candidate.ops.items() if precision != "float"}
    text = f"All {len(ops)} ops on codes are in 16 bits."
    return candidate.with_remedy(Applied("16bit", "every op in 16 bits", text), ops={**candidate.ops, **ops})
