"""Exact rewrites of the graph as remedies."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from edgewright.graph.model import Model
from edgewright.graph.rewrites import REWRITES, RewriteContext, Rewritten, apply_rewrite, compose
from edgewright.quant.layout import default_precisions
from edgewright.quant.plan import Precision
from edgewright.quant.profile import FusionProfile
from edgewright.repair.bench import Bench
from edgewright.repair.candidate import Applied, Candidate
from edgewright.repair.remedies.base import REMEDIES, Kind
from edgewright.repair.uneven import worth_splitting

_SAMPLES = 2
"""Images that a rewrite is verified on."""


@dataclass(frozen=True)
class Rewriting:
    """One rewrite, or several that only make sense together.

    Attributes:
        rewrites: names in `graph.rewrites.REWRITES`, applied in this order; those that find nothing are passed over.
        short: words for the table.
        changes_outputs: whether the outputs may differ afterwards, so that a restoration must run on the host.
        without_16bit: whether it is for targets alone that have no 16 bits, which mend the same for less.
        chosen: names of the Convs that the rewrites may change; None: any.
    """

    name: str
    kind: Kind
    rewrites: tuple[str, ...]
    short: str
    changes_outputs: bool
    without_16bit: bool = False
    chosen: Callable[[Candidate, Bench], frozenset[str]] | None = None

    @property
    def requires(self) -> str:
        """See `Remedy`."""
        return "; ".join(REWRITES.get(name).requires for name in self.rewrites)

    @property
    def ensures(self) -> str:
        """See `Remedy`."""
        return "; ".join(REWRITES.get(name).ensures for name in self.rewrites)

    @property
    def cost(self) -> str:
        """See `Remedy`."""
        return "; ".join(REWRITES.get(name).cost for name in self.rewrites)

    def propose(self, candidate: Candidate, bench: Bench) -> Candidate | None:
        """See `Remedy.propose`."""
        profile = bench.material.maker.profile
        if self.changes_outputs and bench.material.keep_outputs:
            return None
        if self.without_16bit and "int16" in bench.material.precisions:
            return None
        samples = list(itertools.islice(bench.fit_feeds(_SAMPLES), _SAMPLES))
        statistics = bench.statistics(candidate)
        ranges = {name: (entry.minimum, entry.maximum) for name, entry in statistics.items() if entry.count}
        convs = None if self.chosen is None else self.chosen(candidate, bench)
        context = RewriteContext(ranges, profile.fused_activations, convs)
        found: Rewritten | None = None
        for name in self.rewrites:
            model = candidate.model if found is None else found.model
            step = apply_rewrite(name, model, context, samples)
            if step is not None:
                found = step if found is None else compose(found, step)
        if found is None or (found.restore is not None and bench.material.keep_outputs):
            return None
        return _with(candidate, found, self, profile)


def _with(candidate: Candidate, found: Rewritten, remedy: Rewriting, profile: FusionProfile) -> Candidate:
    restored = compose(Rewritten(candidate.model, candidate.restore, {"rewrite": "", "text": ""}), found)
    return candidate.with_remedy(
        Applied(remedy.name, remedy.short, str(found.facts["text"]), dict(found.facts)),
        model=found.model,
        # what is behind a restoration is computed as before, so the old graph still tells what errors do
        whole=found.model if restored.restore is None else candidate.whole,
        restore=restored.restore,
        ops=carried_ops(candidate, found.model, profile),
    )


def carried_ops(candidate: Candidate, model: Model, profile: FusionProfile) -> Mapping[str, Precision]:
    """Precisions for a rewritten graph: nodes keep theirs, new ones get 8 bits."""
    old = {node.name or "" for node in candidate.model.ir.graph}
    narrow: Precision = "int16" if set(candidate.ops.values()) == {"int16"} else "int8"
    chosen = default_precisions(model, profile, narrow)
    return {
        name: candidate.ops.get(name, "float") if name in old else precision
        for name, precision in chosen.items()
        if name not in old or name in candidate.ops
    }


def register(entries: Sequence[Rewriting]) -> None:
    """Add rewriting remedies in order."""
    for entry in entries:
        REMEDIES.add(entry.name, entry)


register(
    [
        Rewriting("plain-forms", "rewrite", ("plain-forms",), "plain forms", changes_outputs=False),
        Rewriting("equalise", "rewrite", ("equalise",), "layers equalised", changes_outputs=False),
        Rewriting("rescale-boxes", "rewrite", ("rescale-boxes",), "boxes rescaled", changes_outputs=True),
        Rewriting("split-outputs", "rewrite", ("split-outputs",), "boxes and scores apart", changes_outputs=True),
        Rewriting("cut-tail", "cut", ("cut-tail",), "decoded on the host", changes_outputs=True),
        Rewriting(
            "split-channels",
            "rewrite",
            ("split-channels",),
            "channels apart",
            changes_outputs=False,
            without_16bit=True,
            chosen=worth_splitting,
        ),
        Rewriting("split-joins", "rewrite", ("split-joins",), "joins split", changes_outputs=False),
    ]
)
