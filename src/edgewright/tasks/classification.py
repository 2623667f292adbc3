"""Classification heads: one score a class for the whole image.

Output (1, classes), or (1, classes, 1, 1): probabilities where the graph ends in a softmax or sigmoids, else logits
of a linear op behind the pooling of a whole map, which an image embedding may look like too (`--task tensors` then).
"""

# ruff: noqa: ARG002 - the arguments are those of `HeadFamily`

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgewright.data.contract import Contract
from edgewright.graph.model import Model
from edgewright.kernels.points import softmax_rows
from edgewright.tasks.base import FAMILIES, DecodeSettings, Head
from edgewright.tasks.metric import Metric
from edgewright.tasks.structure import has_ancestor, image_contract, image_input, segments
from edgewright.tensors import Part

_LINEAR = frozenset({"Add", "Gemm", "MatMul", "Conv"})
_POOLING = ("GlobalAveragePool", "GlobalMaxPool", "ReduceMean", "AveragePool")
_POOL_DEPTH = 6  # pooling, a flattening and a linear op lie between
SHOWN = 5


@dataclass(frozen=True)
class Classes:
    """The classes of one image.

    Attributes:
        scores: (classes,) float32, 0..1 where the head tells how.
        names: by class id; empty when they are not known.
    """

    scores: NDArray[np.float32]
    names: Sequence[str] = field(default=(), compare=False)

    @property
    def top(self) -> int:
        """The class with the largest score; -1 where a score is not a number."""
        return int(np.argmax(self.scores)) if np.isfinite(self.scores).all() else -1

    def to_json(self) -> list[dict[str, Any]]:
        """The best classes, best first: `class_id`, `name`, `score`."""
        best = np.argsort(-self.scores, kind="stable")[:SHOWN]
        return [{"class_id": int(k), "name": self.name(int(k)), "score": round(float(self.scores[k]), 4)} for k in best]

    def name(self, class_id: int) -> str:
        """Name of a class, or its number when names are not known."""
        return self.names[class_id] if 0 <= class_id < len(self.names) else str(class_id)


class Classifier:
    """One score a class."""

    name = "classifier"
    title = "classification"
    task = "classification"
    needs = "one output (1, classes) or (1, classes, 1, 1), two classes or more"
    evaluation = DecodeSettings(confidence=0.0, iou=0.0)
    running = evaluation

    def recognise(self, model: Model) -> Head | None:
        """The scores come from a softmax or sigmoids, or from a linear op behind pooling."""
        head = self.fit(model)
        if head is None or head.params["activation"]:
            return head
        found = segments(model, 0, 1)
        linear = all(segment.ops <= _LINEAR for segment in found)
        pooled = all(
            any(has_ancestor(source, op, _POOL_DEPTH) for op in _POOLING) for one in found for source in one.sources
        )
        return head if linear and pooled else None

    def fit(self, model: Model) -> Head | None:
        """One output with one number a class."""
        if image_input(model) is None or len(model.outputs) != 1:
            return None
        name, shape = model.outputs[0].name, model.outputs[0].shape
        if len(shape) < 2 or shape[0] != 1 or (shape[1] or 0) < 2 or any(size != 1 for size in shape[2:]):
            return None
        found = segments(model, 0, 1)
        probable = bool(found) and all(segment.is_probability for segment in found)
        activation = "sigmoid" if probable and not any("Softmax" in segment.ops for segment in found) else "softmax"
        ends = f"after a {activation}" if probable else "without a softmax"
        return Head(
            self.name,
            self.task,
            (Part("scores", name, 1, 0, None, "probability" if probable else "logits", 1),),
            {"nc": shape[1], "activation": activation if probable else ""},
            f"{name} has one score for each of {shape[1]} classes, {ends}",
        )

    def contract(self, head: Head, model: Model) -> Contract:
        """Plain resize, RGB, 0..1."""
        return image_contract(model, "RGB", 0.0, 255.0, resize="stretch")

    def decode(
        self, outputs: Mapping[str, NDArray[Any]], head: Head, contract: Contract, settings: DecodeSettings
    ) -> Classes:
        """Scores of all classes; logits go through a softmax."""
        values = np.asarray(outputs[head.parts[0].output][0], np.float32).reshape(-1)
        return Classes(values if head.params["activation"] else softmax_rows(values[:, None])[:, 0])


def top1_agreement(found: Mapping[str, Classes], reference: Mapping[str, Classes]) -> Metric:
    """How often the best class is that of the reference, percent, over the images of the reference.

    A result whose best class is no number agrees with nothing. `details` tell how far the reference's own best class is
    ahead of its second on the images that differ: a small margin means that these images were undecided.
    """
    differing = [name for name in reference if found[name].top != reference[name].top or reference[name].top < 0]
    margins = [_margin(reference[name].scores) for name in differing]
    details = {"differing": len(differing), "largest margin of a differing image": max(margins, default=0.0)}
    share = 100.0 * (1 - len(differing) / len(reference)) if reference else 0.0
    return Metric("top-1 agreement", share, len(reference), details=details)


def agreements(found: Mapping[str, Mapping[str, Classes]], reference: str) -> dict[str, Metric]:
    """Agreement of each stage with the reference stage, by stage; the reference is among them."""
    return {name: top1_agreement(classes, found[reference]) for name, classes in found.items()}


def _margin(scores: NDArray[np.float32]) -> float:
    best = np.sort(scores)[-2:]
    gap = float(best[-1] - best[0])
    return round(gap, 4) if math.isfinite(gap) else 1.0


FAMILIES.add(Classifier.name, Classifier())
