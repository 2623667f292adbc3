"""In which order tensors should be given 16 bits (or float): the most error mended for the fewest MACs.

A tensor is wide from end to end only if the op that makes it and the ops that compute with it are wide: an 8-bit reader
would read it through an 8-bit grid. MACs are wide where the activation that they multiply is: an op that reads 8 bits
and writes 16 multiplies 8-bit numbers. So a tensor costs the MACs of its readers, less those that read wide already.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import onnx_ir as ir

from edgewright.graph.model import Model
from edgewright.graph.regions import decode_tail
from edgewright.quant.fusion import absorbed, activation_inputs, is_float
from edgewright.quant.plan import Precision
from edgewright.quant.profile import FusionProfile

_FREE = 1e-4
"""Share of the network's MACs that an op without any is counted as: wide bytes and conversions are not free."""
_WORTH = 0.01
"""Share of the predicted damage for which a step is taken without asking whether fewer would do: task metrics on few
images would answer by chance."""


@dataclass(frozen=True)
class Step:
    """One tensor made wide.

    Attributes:
        tensor: the tensor whose grid gets wider.
        ops: all ops that must be wide for it to be wide from end to end.
        gain: predicted damage that goes away.
        macs: share of the network's MACs with wide activations after this step, 0..1.
    """

    tensor: str
    ops: tuple[str, ...]
    gain: float
    macs: float


def widening_order(
    model: Model,
    profile: FusionProfile,
    ops: Mapping[str, Precision],
    effects: Mapping[str, float],
    macs: Mapping[str, int],
    largest_share: float = 1.0,
    *,
    by_op: bool = False,
) -> tuple[Step, ...]:
    """Steps that mend much, then the others; among them from the best ratio of gain to cost on.

    Args:
        ops: precision of each op now; those with "int8" may become wide.
        effects: predicted damage of each tensor's 8-bit grid, by tensor name; tensors that are missing are left alone.
        macs: multiply-accumulates by node name.
        largest_share: largest share of MACs that may be wide; steps that would exceed it are left out.
        by_op: whether an op's MACs count as soon as the op is wide, whatever it reads: an op in float is.
    """
    network = _Network(model, profile, ops, macs, by_op=by_op)
    gains = {tensor: gain for tensor, gain in effects.items() if gain > 0 and tensor in network.touching}
    least = _WORTH * sum(gains.values())
    wide: frozenset[str] = frozenset()
    steps: list[Step] = []
    for waiting in (
        {tensor: gain for tensor, gain in gains.items() if gain >= least},
        {tensor: gain for tensor, gain in gains.items() if gain < least},
    ):
        wide = _grow(network, waiting, wide, largest_share, steps)
    return tuple(steps)


def worthwhile(steps: Sequence[Step]) -> int:
    """How many steps to take at least: those that mend a good share of what can be mended, which come first."""
    least = _WORTH * sum(step.gain for step in steps)
    return max(1, sum(step.gain >= least for step in steps))


def wide_share(
    model: Model,
    profile: FusionProfile,
    ops: Mapping[str, Precision],
    macs: Mapping[str, int],
    wide: Iterable[str],
    *,
    by_op: bool = False,
) -> float:
    """Share of the network's MACs that multiply wide activations when the ops `wide` are; `by_op`: that are in them."""
    return _Network(model, profile, ops, macs, by_op=by_op).share(wide)


def _grow(
    network: _Network, waiting: dict[str, float], wide: frozenset[str], largest_share: float, steps: list[Step]
) -> frozenset[str]:
    """Append steps until nothing waits that fits; returns the ops that are wide then."""
    while waiting:
        costs = {tensor: network.cost(wide, tensor) for tensor in waiting}
        tensor = max(sorted(waiting), key=lambda name: waiting[name] / (costs[name] + _FREE))
        gain = waiting.pop(tensor)
        grown = wide | network.touching[tensor]
        after = network.share(grown)
        if after > largest_share + 1e-12:
            continue
        wide = grown
        steps.append(Step(tensor, tuple(sorted(network.touching[tensor])), gain, after))
    return wide


class _Network:
    """Which ops touch each tensor that owns a grid, and which of them make it wide.

    A tensor that no op on codes makes (an input, or what an op in float makes) is as wide as its widest reader, so a
    wide op that reads one always multiplies wide numbers.

    Attributes:
        touching: ops at a tensor, with those that they are fused with.
    """

    def __init__(
        self,
        model: Model,
        profile: FusionProfile,
        ops: Mapping[str, Precision],
        macs: Mapping[str, int],
        *,
        by_op: bool,
    ) -> None:
        self._by_op = by_op
        self.touching: dict[str, set[str]] = {}
        self._macs = macs
        self._total = max(1, sum(macs.values()))
        self._sources: dict[str, set[str]] = {}  # tensors that an op computes with
        self._readers: dict[str, set[str]] = {}  # ops that compute with a tensor
        self._deciders: dict[str, set[str]] = {}  # ops of which any wide one makes a tensor wide
        self._decided: dict[str, set[str]] = {}  # tensors of which an op is a decider
        groups = _fused(model, profile, ops)
        owner: dict[str, str] = {}
        outside: set[str] = set()
        for node in model.ir.graph:
            name = node.name or ""
            if name not in ops:
                continue
            sources = [value for value in activation_inputs(node) if not absorbed(value, profile, ops)]
            read = [value.name or "" for value in sources]
            moves = node.op_type in profile.same_grid_ops and bool(read)
            for source in read:
                if source not in owner:
                    owner[source] = source
                    outside.add(source)
                if source in outside:
                    self._decide(name, source)
                self.touching.setdefault(owner[source], set()).update(groups[name])
                if not moves:
                    self._sources.setdefault(name, set()).add(owner[source])
                    self._readers.setdefault(owner[source], set()).add(name)
            for value in node.outputs:
                if is_float(value) and not absorbed(value, profile, ops):
                    made = value.name or ""
                    owner[made] = owner[read[0]] if moves else made
                    self.touching.setdefault(owner[made], set()).update(groups[name])
                    if not moves:
                        self._decide(name, made)
        self._bind_joins(model, profile, groups, owner)

    def share(self, wide: Iterable[str]) -> float:
        """Share of the MACs that multiply wide activations when these ops are wide."""
        wide = frozenset(wide)
        return sum(self._macs.get(name, 0) for name in wide if self._reads_wide(name, wide)) / self._total

    def cost(self, wide: frozenset[str], tensor: str) -> float:
        """What it costs to make a tensor wide beside those ops that are wide already."""
        added = self.touching[tensor] - wide
        grown = wide | added
        opened = {made for name in added for made in self._decided.get(name, ())}
        near = added | {reader for made in opened for reader in self._readers.get(made, ()) if reader in wide}
        newly = [
            name
            for name in near
            if self._reads_wide(name, grown) and not (name in wide and self._reads_wide(name, wide))
        ]
        return sum(self._macs.get(name, 0) for name in newly) / self._total + _FREE * len(added)

    def _bind_joins(
        self, model: Model, profile: FusionProfile, groups: Mapping[str, set[str]], owner: Mapping[str, str]
    ) -> None:
        """A join of the decode tail computes nothing: it is wide only where what it joins is, at no MAC."""
        tail = decode_tail(model, profile.fused_activations)
        for node in model.ir.graph:
            made = node.outputs[0].name or ""
            if node.op_type != "Concat" or node.name not in tail or made not in self.touching:
                continue
            for value in node.inputs:
                source = owner.get(value.name or "", "") if value is not None else ""
                makers = self._deciders.get(source, set()) & tail
                self.touching[made].update(*(groups[name] for name in makers))

    def _decide(self, name: str, tensor: str) -> None:
        self._deciders.setdefault(tensor, set()).add(name)
        self._decided.setdefault(name, set()).add(tensor)

    def _reads_wide(self, name: str, wide: frozenset[str]) -> bool:
        return self._by_op or any(self._deciders[source] & wide for source in self._sources.get(name, ()))


def _fused(model: Model, profile: FusionProfile, ops: Mapping[str, Precision]) -> dict[str, set[str]]:
    """The ops that the target computes as one with each op, itself among them."""
    groups: dict[str, set[str]] = {}
    for node in model.ir.graph:
        if (node.name or "") not in ops:
            continue
        mine = groups.setdefault(node.name or "", {node.name or ""})
        for value in node.outputs:
            if not absorbed(value, profile, ops):
                continue
            for reader in _readers(value):
                theirs = groups.setdefault(reader, {reader})
                if theirs is not mine:
                    mine |= theirs
                    for name in theirs:
                        groups[name] = mine
    return groups


def _readers(value: ir.Value) -> list[str]:
    return [usage.node.name or "" for usage in value.uses()]
