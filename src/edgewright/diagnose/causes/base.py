"""Causes: rules that say why a tensor loses what it loses, and their registry.

A rule speaks only where there is damage: a strange range that costs nothing is no cause of anything.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import onnx_ir as ir

from edgewright.diagnose.causes.say import user_name
from edgewright.diagnose.tensor_error import TensorError
from edgewright.findings import Finding, listed
from edgewright.graph.model import Model
from edgewright.graph.regions import decode_tail
from edgewright.quant.plan import PrecisionPlan
from edgewright.quant.profile import FusionProfile
from edgewright.quant.statistics import TensorStatistics
from edgewright.registry import Registry
from edgewright.tensors import Grid

_NOTHING = 0.002
"""Half of what an 8-bit grid that fits costs a normally distributed tensor (8 sigma over 256 steps: 0.9 % / 2)."""
MUCH = 0.05
"""Five times what an 8-bit grid that fits costs: worth a word however bad the rest is."""
_SHARE = 0.1
"""1 % of the squared error of a part: what one of a hundred tensors has when all are alike."""


@dataclass(frozen=True)
class CauseContext:
    """Everything a rule may look at.

    Attributes:
        model: the prepared model.
        profile: the target's fusions.
        plan: the plan that fell short.
        statistics: what calibration saw; some with a histogram, some without.
        errors: what each tensor loses, by tensor.
        leaders: tensor that owns the grid of another one, by name (`quant.layout`).
        has_float16: whether the target computes float in 16 bits.
        float16_tensors: activations of ops that it computes so.
        floor: relative L2 of each part with every op at 16 bits, where the caller has measured it.
        parts: relative L2 of each part in the network as planned, where the caller has measured it.
        noticed: relative L2 of a part from which on the task notices, where the caller knows it: 0.5 % of a box in
            pixels is as bad as 5 % of a score, which is assumed of the others.
    """

    model: Model
    profile: FusionProfile
    plan: PrecisionPlan
    statistics: Mapping[str, TensorStatistics]
    errors: Mapping[str, TensorError]
    leaders: Mapping[str, str] = field(default_factory=dict)
    has_float16: bool = False
    float16_tensors: frozenset[str] = frozenset()
    floor: Mapping[str, float] | None = None
    parts: Mapping[str, float] = field(default_factory=dict)
    noticed: Mapping[str, float] = field(default_factory=dict)

    def owned(self) -> Iterator[tuple[TensorError, Grid]]:
        """Tensors that own a grid, with it. What only moves data loses nothing of its own."""
        for name, error in self.errors.items():
            grid = self.plan.activations.get(name)
            if grid is not None and self.leaders.get(name, name) == name:
                yield error, grid

    def on_codes(self) -> Iterator[ir.Node]:
        """Nodes that the plan has in integers, in order of execution."""
        return (node for node in self.model.ir.graph if self.plan.ops.get(node.name or "", "float") != "float")

    def seen(self, tensor: str) -> TensorStatistics | None:
        """What calibration saw of a tensor, or of the one that owns its grid; None where it saw nothing."""
        found = self.statistics.get(tensor) or self.statistics.get(self.leaders.get(tensor, tensor))
        return found if found is not None and found.count else None

    def range_of(self, tensor: str) -> tuple[float, float] | None:
        """Smallest and largest value of a tensor in the float network."""
        seen, error = self.statistics.get(tensor), self.errors.get(tensor)
        if seen is not None and seen.count:
            return seen.minimum, seen.maximum
        if error is not None:
            return error.minimum, error.maximum
        seen = self.seen(tensor)
        return None if seen is None else (seen.minimum, seen.maximum)

    def producer(self, tensor: str) -> ir.Node | None:
        """The node that makes a tensor."""
        return self._producers.get(tensor)

    def matters(self, error: TensorError, share: float = 1.0) -> bool:
        """Whether what a tensor loses is worth a word: not nothing, and large by itself or beside the others.

        Each part is asked by itself: boxes in pixels are hurt by errors that are nothing beside those of scores.

        Args:
            error: the tensor.
            share: what is asked about, as a share of its isolated error (`share_of`).
        """
        return any(
            damage * share >= self.noticed.get(part, MUCH)
            or damage * share >= max(_NOTHING, _SHARE * self._totals[part])
            for part, damage in _damages(error).items()
        )

    @functools.cached_property
    def tail(self) -> frozenset[str]:
        """Names of the nodes of the decode tail."""
        return frozenset(decode_tail(self.model, self.profile.fused_activations))

    @functools.cached_property
    def _producers(self) -> dict[str, ir.Node]:
        return {value.name or "": node for node in self.model.ir.graph for value in node.outputs}

    @functools.cached_property
    def _totals(self) -> Mapping[str, float]:
        """Root of the sum of squares by part, over tensors that do not only repeat another's error."""
        totals: dict[str, float] = {}
        for name, error in self.errors.items():
            for part, damage in _damages(error).items():
                owns = self.leaders.get(name, name) == name and math.isfinite(damage)
                totals[part] = math.hypot(totals.get(part, 0.0), damage if owns else 0.0)
        return totals


def _damages(error: TensorError) -> Mapping[str, float]:
    """Effects by part; where none is known, the isolated error under "". Infinite: no number."""
    if not error.effects:
        return {"": math.inf if error.isolated is None else error.isolated}
    return {part: math.inf if math.isnan(effect) else effect for part, effect in error.effects.items()}


def damage_of(error: TensorError) -> float:
    """What an op costs: the largest effect on a part where effects are known, else its isolated error.

    Both are relative L2, so that they can be told in one order. Infinite where the op gives what is no number.
    """
    return max(_damages(error).values())


def damage_by(error: TensorError, source: float | None) -> float:
    """The part of `damage_of` that one source of error makes.

    Args:
        error: the op's tensor.
        source: `error.grid` or `error.weight`.
    """
    share = share_of(error, source)
    return damage_of(error) * share if share > 0 else 0.0


def share_of(error: TensorError, source: float | None) -> float:
    """What one source makes of the isolated error, 0..1. All, where the op gives what is no number: who can tell."""
    if error.isolated is None:
        return 1.0
    return 0.0 if source is None or error.isolated <= 0 else min(1.0, source / error.isolated)


Cause = Callable[[CauseContext], list[Finding]]
CAUSES: Registry[Cause] = Registry("cause")


def run_causes(context: CauseContext, names: Sequence[str] | None = None, most: int = 5) -> list[Finding]:
    """Findings of all causes, or of the named ones, by damage, worst first.

    Args:
        context: what to look at.
        names: causes to ask; all when None.
        most: findings kept of each cause. The last one kept counts the others and names them in its evidence ("more").

    Raises:
        UserError: there is no cause of this name.
        ValueError: `most` is less than 1.
    """
    if most < 1:
        raise ValueError(f"at least one finding of each cause must be kept, but got most={most}")
    found: list[Finding] = []
    for name in CAUSES.names() if names is None else names:
        ranked = sorted(CAUSES.get(name)(context), key=_rank)
        found += _counted(ranked, most)
    return sorted(found, key=_rank)


def _rank(finding: Finding) -> float:
    damage = finding.evidence.get("damage")
    return -math.inf if damage is None else -float(damage)


def _counted(ranked: list[Finding], most: int) -> list[Finding]:
    kept, others = ranked[:most], [finding.where for finding in ranked[most:]]
    if others:
        last = kept[-1]
        message = f"{last.message} And {len(others)} more: {listed(others)}."
        kept[-1] = replace(last, message=message, evidence={**last.evidence, "more": others})
    return kept


def name_of(context: CauseContext, node: ir.Node) -> str:
    """A node by the user's names for it."""
    for value in node.outputs:
        error = context.errors.get(value.name or "")
        if error is not None:
            return user_name(error)
    return node.name or ""
