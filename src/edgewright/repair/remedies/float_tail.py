"""The decode tail in float on the target itself, where boxes and scores meet on one grid."""

from __future__ import annotations

from edgewright.findings import listed
from edgewright.graph.regions import decode_tail
from edgewright.repair.bench import Bench
from edgewright.repair.candidate import Applied, Candidate
from edgewright.repair.remedies.base import REMEDIES, Kind

REASON = "decode tail: boxes and scores meet on one grid there"


class FloatTail:
    """Ops behind the last learnt operators leave the plan."""

    name = "float-tail"
    kind: Kind = "float"
    requires = "ops behind the last learnt operators, and a target that computes in float"
    ensures = "decoding is as exact as in the source model"
    cost = "the tail in float: few ops, but often the slowest ones of an integer chip"

    def propose(self, candidate: Candidate, bench: Bench) -> Candidate | None:
        """See `Remedy.propose`."""
        if "float" not in bench.material.precisions:
            return None
        tail = sorted(decode_tail(candidate.model, bench.material.maker.profile.fused_activations) & set(candidate.ops))
        if not tail:
            return None
        text = f"{len(tail)} ops behind the last convolutions are computed in float: {listed(tail)}."
        kept = {name: precision for name, precision in candidate.ops.items() if name not in tail}
        return candidate.with_remedy(
            Applied(self.name, "decode tail in float", text, {"ops": tail}),
            ops=kept,
            reasons={**candidate.reasons, **dict.fromkeys(tail, REASON)},
        )


REMEDIES.add(FloatTail.name, FloatTail())
