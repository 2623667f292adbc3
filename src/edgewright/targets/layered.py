"""What a backend adds whose toolchain shows the tensors inside of what it built."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import onnx_ir as ir

from edgewright.graph.model import Model
from edgewright.targets.artifact import Artifact
from edgewright.targets.backend import Feeds, Outputs


@dataclass(frozen=True)
class Traceable:
    """Which tensors of the prepared model an artifact still has.

    Attributes:
        where: what computes them, in words ("TPU-MLIR 1.30.2, lowered module for bm1684").
        tensors: those whose values can be read, in the order of computation, as far as names can tell; whether a name
            stands for the right values is for `Layered.single` to prove.
        fused: tensors that the toolchain never makes, with the next one that it does make out of each.
        gone: tensors that lead to none that it makes.
        tolerance: relative L2 that the arithmetic explains in which `Layered.single` gives real values.
    """

    where: str
    tensors: tuple[str, ...]
    fused: Mapping[str, str]
    gone: tuple[str, ...] = ()
    tolerance: float = 1e-3


@dataclass(frozen=True)
class Single:
    """One sample, op by op.

    Attributes:
        real: tensors as the toolchain computes them in float, by name of the prepared model. A tensor whose values here
            are not those of the prepared model is another one.
        alone: sum of the squared errors of a tensor where its op alone is computed as built, fed with float values; of
            ops that cannot be fed this way there is none.
    """

    real: Outputs
    alone: Mapping[str, float]


@runtime_checkable
class Layered(Protocol):
    """A backend whose toolchain shows inner tensors of its own build; see also `Backend.trace`."""

    def traceable(self, model: Model, artifact: Artifact) -> Traceable:
        """Which tensors `Backend.trace` knows of an artifact that was built of `model`; reads files only."""

    def single(
        self, artifact: Artifact, plain: Artifact, tensors: Collection[str], samples: Iterable[tuple[Feeds, Outputs]]
    ) -> Iterator[Single]:
        """Each sample op by op.

        Args:
            plain: built of the same model in float.
            tensors: of `Traceable.tensors`.
            samples: network inputs, and the float values of `tensors`.

        Raises:
            ToolchainError: the toolchain failed.
        """


def sort_out(model: Model, where: str, present: Collection[str], tolerance: float = 1e-3) -> Traceable:
    """Tell tensors that are present from those that became part of another.

    Args:
        present: tensors of the prepared model that the toolchain makes.
        where, tolerance: see `Traceable`.
    """
    made = [value for node in model.ir.graph for value in node.outputs if value.name and _is_real(value)]
    fused: dict[str, str] = {}
    gone: list[str] = []
    for value in made:
        name = value.name or ""
        if name not in present:
            behind = _next_present(value, present)
            if behind is None:
                gone.append(name)
            else:
                fused[name] = behind
    known = tuple(value.name or "" for value in made if value.name in present)
    return Traceable(where, known, fused, tuple(gone), tolerance)


def _is_real(value: ir.Value) -> bool:
    return value.dtype in (None, ir.DataType.FLOAT)


def _next_present(value: ir.Value, present: Collection[str]) -> str | None:
    waiting, seen = deque([value]), {value}
    while waiting:
        for usage in waiting.popleft().uses():
            for output in usage.node.outputs:
                if output.name in present:
                    return output.name
                if output not in seen:
                    seen.add(output)
                    waiting.append(output)
    return None
