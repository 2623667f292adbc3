"""A vendor whose toolchain shows its tensors: ONNX Runtime under another name, with faults that a test chooses."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from edgewright.graph.io import load_model
from edgewright.graph.model import Model
from edgewright.graph.reference import Feeds, Outputs
from edgewright.quant.plan import PrecisionPlan
from edgewright.targets.artifact import Artifact
from edgewright.targets.layered import Single, Traceable, sort_out
from edgewright.targets.onnxruntime.backend import OnnxRuntimeBackend
from edgewright.targets.qdq_trace import QdqTracer


class Acme(OnnxRuntimeBackend):
    """Computes a plan as our emulation does.

    Args:
        names: what it calls tensors of the model, where that is another tensor's name.
        hidden: tensors that it never makes.
        scaled: tensors whose values come out larger by a factor when it computes in integers.
    """

    def __init__(
        self,
        names: Mapping[str, str] | None = None,
        hidden: Collection[str] = (),
        scaled: Mapping[str, float] | None = None,
    ) -> None:
        super().__init__("npu")
        self.names, self.hidden, self.scaled = dict(names or {}), set(hidden), dict(scaled or {})
        self.asked: list[int] = []

    def traceable(self, model: Model, artifact: Artifact) -> Traceable:
        made = {value.name for node in model.ir.graph for value in node.outputs}
        return sort_out(model, "Acme 1, simulator", {name or "" for name in made} - self.hidden)

    def trace(self, artifact: Artifact, tensors: Sequence[str], feeds: Iterable[Feeds]) -> Iterator[Outputs]:
        samples = list(feeds)
        self.asked.append(len(samples))
        tracer = QdqTracer(load_model(artifact.path), [self.names.get(name, name) for name in tensors])
        for sample in samples:
            yield {name: self._seen(tracer, sample, name) for name in tensors}

    def single(
        self, artifact: Artifact, plain: Artifact, tensors: Collection[str], samples: Iterable[tuple[Feeds, Outputs]]
    ) -> Iterator[Single]:
        tracer = QdqTracer(load_model(plain.path), [self.names.get(name, name) for name in tensors])
        for feeds, values in samples:
            real = {name: tracer(feeds, [other])[other] for name in tensors for other in [self.names.get(name, name)]}
            alone = {name: float(np.square((self.scaled.get(name, 1.0) - 1) * values[name]).sum()) for name in tensors}
            yield Single(real, alone)

    def _seen(self, tracer: QdqTracer, sample: Feeds, name: str) -> np.ndarray:
        other = self.names.get(name, name)
        return tracer(sample, [other])[other].reshape(-1) * np.float32(self.scaled.get(name, 1.0))


def built(backend: Acme, model: Model, plan: PrecisionPlan, folder: Path) -> tuple[Artifact, Artifact]:
    """As planned, and in float."""
    return backend.build(model, plan, folder / "int8"), backend.build(model, None, folder / "float")
