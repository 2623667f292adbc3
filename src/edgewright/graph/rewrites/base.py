"""The contract of a rewrite: a model in, another model out, and what computes the old outputs from the new ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from edgewright.errors import ModelError
from edgewright.graph.model import Model
from edgewright.registry import Registry


class InexactRewrite(ModelError):
    """A rewrite computes something else than the model did: it must not be used, whatever it promised."""


@dataclass(frozen=True)
class RewriteContext:
    """What a rewrite may know besides the graph.

    Attributes:
        ranges: smallest and largest value of activations, by name, as calibration saw them. A rewrite that compares
            ranges leaves tensors alone that are not here.
        absorbed: op types that a Conv before them absorbs on the target; see `graph.regions.decode_tail`.
        convs: names of the Convs that a rewrite of Convs may change; None: any.
    """

    ranges: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    absorbed: frozenset[str] = frozenset({"Relu", "Clip"})
    convs: frozenset[str] | None = None


@dataclass(frozen=True)
class Rewritten:
    """What a rewrite made.

    A tensor of `model` that has the name of a tensor of the old model has the same values; a tensor whose values
    changed has a new name.

    Attributes:
        model: the rewritten model.
        restore: a float model that runs on the host: its inputs are the outputs of `model`, its outputs are those of
            the old model, in order (an output that did not change is both). None when the outputs are the old ones.
        facts: what was changed, JSON types only. Always there: `rewrite`, the name; `text`, one sentence or more;
            `tensors`, for each new tensor that is an old one divided by a constant its `source` and `divisor`.
    """

    model: Model
    restore: Model | None
    facts: Mapping[str, Any]


class Rewrite(Protocol):
    """One exact rewrite.

    Attributes:
        name: the word for it.
        requires, ensures, cost: what it needs to find, what holds afterwards and what it costs; one line each.
    """

    name: str
    requires: str
    ensures: str
    cost: str

    def apply(self, model: Model, context: RewriteContext) -> Rewritten | None:
        """The rewritten model; None when there is nothing to do. Use `apply_rewrite`, which verifies the result."""


REWRITES: Registry[Rewrite] = Registry("rewrite")
