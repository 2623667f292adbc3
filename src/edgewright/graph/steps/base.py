"""The contract of a preparation step: a model in, the same function out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from edgewright.graph.model import Model
from edgewright.registry import Registry


@dataclass(frozen=True)
class PrepareOptions:
    """What the steps need to know.

    Attributes:
        shapes: static shape of an input, by name, where the model leaves dimensions open.
        min_opset: opset that the quantiser needs.
        skip: names of steps to leave out.
    """

    shapes: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    min_opset: int = 13
    skip: tuple[str, ...] = ()


@dataclass(frozen=True)
class Step:
    """One preparation step.

    Attributes:
        name: the word for `--skip-prepare`.
        title: what it does, one phrase.
        run: the changed model and a note on what changed, or None when there is nothing to do.
        finding: code of the finding that reports a change; empty: not worth one.
        needed: a step that later stages cannot do without; it may not be skipped.
        defines_inputs: a step that decides what an input is and how large, before any sample can be made.
    """

    name: str
    title: str
    run: Callable[[Model, PrepareOptions], tuple[Model, str] | None]
    finding: str = ""
    needed: bool = False
    defines_inputs: bool = False


STEPS: Registry[Step] = Registry("preparation step")
