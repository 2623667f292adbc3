"""Boxes and scores leave the chip as outputs of their own, each on its own grid; the host joins them."""

from __future__ import annotations

from edgewright.graph.model import Model
from edgewright.graph.rewrites.base import REWRITES, RewriteContext, Rewritten
from edgewright.graph.rewrites.extract import depends_on_inputs, move_to_host
from edgewright.graph.rewrites.joins import joined_leaves


class SplitOutputs:
    """See `Rewrite`."""

    name = "split-outputs"
    requires = "an output that a Concat joins from tensors of unlike ranges, moved about but not computed with"
    ensures = "each joined tensor is an output with a grid of its own; the host joins them"
    cost = "nothing on the chip; more outputs to fetch, and a copy on the host"

    def apply(self, model: Model, context: RewriteContext) -> Rewritten | None:
        """Split every output that is joined from tensors of unlike ranges."""
        graph = model.ir.graph
        computed = depends_on_inputs(graph)
        found: dict[str, list[str]] = {}
        for output in graph.outputs:
            leaves = [leaf for leaf in joined_leaves(output, context.ranges) if leaf in computed]
            if leaves and not any(leaf.is_graph_input() for leaf in leaves):
                found[output.name or ""] = [leaf.name or "" for leaf in leaves]
        entries = list(dict.fromkeys(name for names in found.values() for name in names))
        pair = move_to_host(model, list(found), entries)
        if pair is None:
            return None
        facts = {
            "rewrite": self.name,
            "text": " ".join(
                f"{output} is no longer joined on the chip: {', '.join(names)} are outputs of their own, "
                "and the host joins them."
                for output, names in found.items()
            ),
            "tensors": {},
            "outputs": found,
        }
        return Rewritten(*pair, facts)


REWRITES.add(SplitOutputs.name, SplitOutputs())
