"""Measuring a vendor's inner tensors against the float network and our emulation, image by image."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgewright.diagnose.names import source_names
from edgewright.diagnose.vendor_layers import VendorLayers, VendorPart, VendorTensor
from edgewright.errors import ToolchainError
from edgewright.graph.model import Model
from edgewright.graph.reference import Feeds, Outputs
from edgewright.quant.error_measure import measure_errors
from edgewright.quant.error_ops import made_values, on_codes
from edgewright.quant.error_sums import relative
from edgewright.quant.plan import PrecisionPlan
from edgewright.targets.artifact import Artifact
from edgewright.targets.backend import Backend, emulation_of
from edgewright.targets.layered import Layered, Traceable
from edgewright.targets.qdq_trace import QdqTracer
from edgewright.tensors import Part

_BATCH_BYTES = 1 << 30
"""Of a vendor's tensors that lie on disk at a time."""
_GROUP_BYTES = 256 << 20
"""Of our own tensors that are in memory at a time."""


@dataclass(frozen=True)
class Comparer:
    """What is compared with what.

    Attributes:
        backend: of a `Layered` toolchain.
        model: the prepared model, in float.
        source: the model as the user gave it.
        plan: what the chip is expected to compute, which is emulated.
        artifact, plain: built of `model` as planned and in float.
        parts: slices of the outputs.
        on_image: called after each image.
    """

    backend: Backend
    model: Model
    source: Model
    plan: PrecisionPlan
    artifact: Artifact
    plain: Artifact
    parts: Sequence[Part]
    on_image: Callable[[], None] | None = None

    def compare(self, feeds: Sequence[Feeds], single: int) -> VendorLayers:
        """Compare on samples.

        Args:
            feeds: network inputs.
            single: on how many of the first samples names are proven and ops run alone.

        Raises:
            ToolchainError: the toolchain failed, or the backend is none that shows its tensors.
        """
        if not isinstance(self.backend, Layered):
            raise ToolchainError(f"{self.artifact.target} does not show its inner tensors")
        known = self.backend.traceable(self.model, self.artifact)
        proof = self._prove(self.backend, known, feeds[:single])
        isolated = self._isolated(feeds[:single])
        sums = self._trace(proof.proven, feeds)
        return self._told(known, proof, isolated, sums, (len(feeds), len(feeds[:single])))

    def _prove(self, backend: Layered, known: Traceable, feeds: Sequence[Feeds]) -> _Proof:
        reference = QdqTracer(self.model, known.tensors)
        samples = ((sample, reference(sample, known.tensors)) for sample in feeds)
        ours, theirs = itertools.tee(samples)
        proof = _Proof(known.tensors, known.tolerance)
        found = backend.single(self.artifact, self.plain, known.tensors, theirs)
        for single, (_, expected) in zip(found, ours, strict=True):
            proof.add(single.real, single.alone, expected)
        return proof

    def _isolated(self, feeds: Sequence[Feeds]) -> dict[str, float | None]:
        """What our emulation says of ops alone; only where the plan has them in integers."""
        sums = measure_errors(self.model, self.plan, feeds, weight_images=0)
        made = made_values(self.model.ir.graph)
        return {
            name: relative(found.isolated, found.reference)
            for name, found in sums.items()
            if on_codes(made[name].producer(), self.plan)
        }

    def _trace(self, tensors: Sequence[str], feeds: Sequence[Feeds]) -> _Sums:
        emulation = emulation_of(self.backend, self.model, self.plan)
        reference, emulated = QdqTracer(self.model, tensors), QdqTracer(emulation, tensors)
        whole = QdqTracer(emulation, [spec.name for spec in self.model.outputs])
        outputs = QdqTracer(self.model, [spec.name for spec in self.model.outputs])
        sums = _Sums(self.parts)
        groups = list(_grouped(tensors, self._bytes))
        with self.backend.open(self.artifact) as session:
            answers = session.run_many(feeds)
            for sample, seen, answer in zip(feeds, self._seen(tensors, feeds), answers, strict=True):
                for group in groups:
                    sums.add(group, reference(sample, group), seen, emulated(sample, group))
                names = [spec.name for spec in self.model.outputs]
                sums.add_parts(outputs(sample, names), answer, whole(sample, names))
                if self.on_image is not None:
                    self.on_image()
        return sums

    def _seen(self, tensors: Sequence[str], feeds: Sequence[Feeds]) -> Iterator[Outputs]:
        """The vendor's tensors, of as many samples at a time as the disk shall hold."""
        if not tensors:
            yield from ({} for _ in feeds)
            return
        size = sum(self._bytes(name) for name in tensors)
        at_once = max(1, _BATCH_BYTES // max(size, 1))
        for start in range(0, len(feeds), at_once):
            yield from self.backend.trace(self.artifact, tensors, feeds[start : start + at_once])

    def _bytes(self, tensor: str) -> int:
        return 4 * math.prod(self.model.shapes.get(tensor, ()))

    def _told(
        self,
        known: Traceable,
        proof: _Proof,
        isolated: Mapping[str, float | None],
        sums: _Sums,
        images: tuple[int, int],
    ) -> VendorLayers:
        sources = source_names(self.source, self.model)
        rows = []
        for depth, node in enumerate(self.model.ir.graph, start=1):
            for value in node.outputs:
                name = value.name or ""
                if name in sums.tensors:
                    who = name, node.name or "", node.op_type, sources[node.name or ""], depth
                    rows.append(VendorTensor(*who, *sums.of(name), proof.alone(name), isolated.get(name)))
        return VendorLayers(
            where=known.where,
            images=images[0],
            single_images=images[1],
            tensors=tuple(rows),
            parts=sums.part_rows(),
            fused=known.fused,
            gone=known.gone,
            misnamed=proof.misnamed,
            unproven=proof.unproven,
        )


class _Proof:
    """Which names stand for the right values, and what ops lose alone."""

    def __init__(self, tensors: Sequence[str], tolerance: float) -> None:
        self._tensors, self._tolerance = tensors, tolerance
        self._far: dict[str, float | None] = {}
        self._alone: dict[str, tuple[float, float]] = {}
        self._images = 0

    def add(self, real: Outputs, alone: Mapping[str, float], expected: Outputs) -> None:
        self._images += 1
        for name, values in real.items():
            ours = expected[name]
            off = None if ours.size != values.size else relative(_square(ours, values), _square(ours))
            worse = off is None or self._far.get(name, 0.0) is None
            self._far[name] = None if worse else max(off or 0.0, self._far.get(name) or 0.0)
        for name, square in alone.items():
            before = self._alone.get(name, (0.0, 0.0))
            self._alone[name] = (before[0] + square, before[1] + _square(expected[name]))

    @property
    def proven(self) -> list[str]:
        return [name for name in self._tensors if name in self._far and self._is_close(self._far[name])]

    @property
    def misnamed(self) -> dict[str, float | None]:
        return {name: far for name, far in self._far.items() if not self._is_close(far)}

    @property
    def unproven(self) -> tuple[str, ...]:
        return tuple(name for name in self._tensors if name not in self._far)

    def alone(self, name: str) -> float | None:
        return relative(*self._alone[name]) if name in self._alone else None

    def _is_close(self, far: float | None) -> bool:
        return far is not None and far <= self._tolerance


@dataclass
class _Sums:
    """Squares of references, and of the three differences."""

    parts: Sequence[Part]
    tensors: dict[str, NDArray[np.float64]] = field(default_factory=dict)
    by_part: dict[str, NDArray[np.float64]] = field(default_factory=dict)

    def add(self, names: Iterable[str], expected: Outputs, seen: Outputs, emulated: Outputs) -> None:
        for name in names:
            found = _four(expected[name], seen[name], emulated[name])
            self.tensors[name] = self.tensors.get(name, 0.0) + found

    def add_parts(self, expected: Outputs, seen: Outputs, emulated: Outputs) -> None:
        for part in self.parts:
            found = _four(*(part.take(values) for values in (expected, seen, emulated)))
            self.by_part[part.name] = self.by_part.get(part.name, 0.0) + found

    def of(self, name: str) -> tuple[float | None, float | None, float | None]:
        return _relative(self.tensors[name])

    def part_rows(self) -> tuple[VendorPart, ...]:
        return tuple(VendorPart(part.name, *_relative(self.by_part[part.name])) for part in self.parts)


def _four(expected: NDArray[Any], seen: NDArray[Any], emulated: NDArray[Any]) -> NDArray[np.float64]:
    return np.array([_square(expected), _square(expected, seen), _square(expected, emulated), _square(emulated, seen)])


def _relative(sums: NDArray[np.float64]) -> tuple[float | None, float | None, float | None]:
    reference, vendor, emulated, apart = (float(number) for number in sums)
    return relative(vendor, reference), relative(emulated, reference), relative(apart, reference)


def _square(a: NDArray[Any], b: NDArray[Any] | None = None) -> float:
    """Sum of squares of a tensor, or of the difference of two, which may differ in shape, not in order."""
    difference = a.astype(np.float64).ravel()
    if b is not None:
        difference -= b.ravel()
    return float(difference @ difference)


def _grouped(names: Sequence[str], size_of: Callable[[str], int]) -> Iterator[list[str]]:
    """The names in lists whose tensors fit the memory."""
    group: list[str] = []
    size = 0
    for name in names:
        if group and size + size_of(name) > _GROUP_BYTES:
            yield group
            group, size = [], 0
        group.append(name)
        size += size_of(name)
    if group:
        yield group
