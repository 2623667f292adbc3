"""Running several stages on the same images, compared by part as the images pass."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

from numpy.typing import NDArray

from edgewright.data.contract import Placement
from edgewright.errors import ModelError
from edgewright.findings import Finding
from edgewright.targets.backend import Outputs, Session
from edgewright.tensors import Part
from edgewright.verify.ahead import Ahead, Shared
from edgewright.verify.degenerate import PartView, Watch, first_finding, source_findings
from edgewright.verify.part_error import PartErrors
from edgewright.verify.results import PartError

REFERENCE = "onnx"
"""Name of the stage that all others are compared with: the source model."""

_MOST_AHEAD = 256 << 20
"""Bytes of samples and outputs that the reference may be ahead of the artifact."""

Decode = Callable[[Outputs, Placement], Any]
"""What the outputs of one image mean: `Detections` or `Classes`."""


@dataclass(frozen=True)
class Sample:
    """One image on its way into the network.

    Attributes:
        name: file name.
        feeds: network inputs by name.
        placement: where the image lies in them.
    """

    name: str
    feeds: Mapping[str, NDArray[Any]]
    placement: Placement


@dataclass
class StageOutcome:
    """What one stage did on all images.

    Attributes:
        errors: error by part against the reference.
        detections: what the outputs mean, by image name; empty without a decoder.
        findings: degenerate outputs.
    """

    errors: tuple[PartError, ...] = ()
    detections: dict[str, Any] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)


@dataclass(frozen=True)
class Evaluation:
    """The reference and every stage on the same images."""

    images: int
    reference: StageOutcome
    stages: dict[str, StageOutcome]


def evaluate(
    reference: Session,
    stages: Mapping[str, Session],
    samples: Iterable[Sample],
    parts: Sequence[Part],
    decode: Decode | None = None,
    on_image: Callable[[], None] | None = None,
    decoded: Collection[str] | None = None,
    *,
    ahead: bool = False,
) -> Evaluation:
    """Run the reference and all stages side by side.

    Args:
        reference: the source model.
        stages: sessions to compare with it, by name of the stage.
        samples: the images; read once, in order, and never kept.
        parts: slices of the outputs to tell apart.
        decode: outputs and placement to what they mean, where the head has such a decoder.
        on_image: called after each image.
        decoded: stages whose outputs are decoded, `REFERENCE` among them or not; None decodes all.
        ahead: the last stage may keep this process waiting, and all others run in it: they go on meanwhile.

    Returns:
        Errors by part, degenerate-output findings and detections of every stage.
    """
    runners = {REFERENCE: reference, **stages}
    shared = Shared(samples, len(runners) + 1)
    # samples are kept only as far as one stage runs ahead of another; zip keeps them in step
    streams = [
        runner.run_many(sample.feeds for sample in shared.reader(index))
        for index, runner in enumerate(runners.values())
    ]
    wanted = set(runners) if decoded is None else set(decoded)
    tally = _Tally(tuple(stages), parts, decode, wanted if decode is not None else set())
    with ExitStack() as stack:
        first: Iterable[tuple[Any, ...]] = zip(shared.reader(len(runners)), *streams[:-1], strict=True)
        if ahead:
            first = stack.enter_context(Ahead(iter(first), _bytes, _MOST_AHEAD))
        for (sample, *before), last in zip(first, streams[-1], strict=True):
            outputs = [*before, last]
            tally.add(sample, outputs[0], outputs[1:])
            if on_image is not None:
                on_image()
    return tally.result()


def _bytes(item: tuple[Any, ...]) -> int:
    """Of a sample and of what stages made of it."""
    sample, *outputs = item
    return sum(array.nbytes for found in (sample.feeds, *outputs) for array in found.values())


class _Tally:
    def __init__(self, names: Sequence[str], parts: Sequence[Part], decode: Decode | None, decoded: set[str]) -> None:
        self.names, self.parts, self.decode, self.decoded = names, parts, decode, decoded
        self.images = 0
        self.reference = StageOutcome()
        self.stages = {name: StageOutcome() for name in names}
        self.errors = {name: PartErrors(parts) for name in names}
        self.watches = {name: [Watch() for _ in parts] for name in (REFERENCE, *names)}

    def add(self, sample: Sample, reference: Outputs, candidates: Sequence[Outputs]) -> None:
        self.images += 1
        self._watch(REFERENCE, reference)
        self._decode(REFERENCE, self.reference, sample, reference)
        for name, outputs in zip(self.names, candidates, strict=True):
            self._compare(name, sample, reference, outputs)
            self._watch(name, outputs)
            self._decode(name, self.stages[name], sample, outputs)

    def _compare(self, name: str, sample: Sample, reference: Outputs, outputs: Outputs) -> None:
        try:
            self.errors[name].update(reference, outputs)
        except ValueError as error:
            raise ModelError(
                f"{name} gives an output of another shape than the source model on {sample.name}",
                why=f"{error}; a model with NMS inside gives as many rows as it finds",
                todo="export the model without NMS; edgewright does it when decoding",
            ) from error

    def _decode(self, name: str, outcome: StageOutcome, sample: Sample, outputs: Outputs) -> None:
        if self.decode is not None and name in self.decoded:
            outcome.detections[sample.name] = self.decode(outputs, sample.placement)

    def _watch(self, name: str, outputs: Outputs) -> None:
        for part, watch in zip(self.parts, self.watches[name], strict=True):
            watch.update(part.take(outputs))

    def result(self) -> Evaluation:
        self.reference.findings += source_findings(self.parts, self.watches[REFERENCE])
        for name, outcome in self.stages.items():
            outcome.errors = self.errors[name].result()
            for part, seen, expected in zip(self.parts, self.watches[name], self.watches[REFERENCE], strict=True):
                finding = first_finding(PartView(part, name, expected, seen))
                if finding is not None:
                    outcome.findings.append(finding)
        return Evaluation(self.images, self.reference, self.stages)
