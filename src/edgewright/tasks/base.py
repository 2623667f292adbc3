"""What a task is: heads recognised by structure, their parts, and how they are decoded and measured.

A *head family* (one file each) knows one way in which networks write their answer. It recognises itself from shapes and
structure, never from names; it names the parts of the outputs; it decodes them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from numpy.typing import NDArray

from edgewright.data.contract import Contract
from edgewright.graph.model import Model
from edgewright.registry import Registry
from edgewright.tensors import Part


@dataclass(frozen=True)
class Head:
    """A recognised head.

    Attributes:
        family: name of the family in `FAMILIES`.
        task: "detection", "keypoints", "classification" or "tensors" (unknown head).
        parts: slices of the outputs that errors are told by.
        params: what decoding needs (classes, strides, reg_max...), JSON types only.
        evidence: why this family, one sentence.
    """

    family: str
    task: str
    parts: tuple[Part, ...]
    params: Mapping[str, Any] = field(default_factory=dict)
    evidence: str = ""

    def to_json(self) -> dict[str, Any]:
        """The head as JSON data."""
        return {
            "family": self.family,
            "task": self.task,
            "parts": [part.to_json() for part in self.parts],
            "params": dict(self.params),
            "evidence": self.evidence,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Head:
        """Inverse of `to_json`."""
        parts = tuple(Part.from_json(part) for part in data["parts"])
        return cls(data["family"], data["task"], parts, data["params"], data["evidence"])


@dataclass(frozen=True)
class DecodeSettings:
    """Thresholds of decoding.

    Attributes:
        confidence: smallest score that is kept.
        iou: overlap above which the weaker of two boxes of one class is dropped; keypoints: radius in pixels.
        max_results: largest number of boxes or points kept in an image.
        max_candidates: largest number of boxes that enter NMS, the best by score. A soft limit: what it leaves out has
            so many better boxes before it that it would be kept only if nearly all of those were suppressed.
        clip: whether boxes are cut at the image's border. Some families are measured without, as their authors do.
    """

    confidence: float
    iou: float
    max_results: int = 300
    max_candidates: int = 30_000
    clip: bool = True


class HeadFamily(Protocol):
    """One way in which networks write their answer.

    Attributes:
        name: the word for `--task`.
        title: what `edgewright inspect` calls it.
        task: "detection", "keypoints" or "classification".
        evaluation: settings for measuring (low threshold, so that AP sees the whole curve).
        running: settings for use.
        needs: the outputs that the family must find, for messages.
    """

    name: str
    title: str
    task: str
    needs: str
    evaluation: DecodeSettings
    running: DecodeSettings

    def recognise(self, model: Model) -> Head | None:
        """The head of `model` if its shapes and its graph show this family's structure, else None."""

    def fit(self, model: Model) -> Head | None:
        """The head of `model` read as this family by shapes alone, else None: for users who name the family."""

    def contract(self, head: Head, model: Model) -> Contract:
        """The preprocessing that networks of this family are usually trained with."""

    def decode(
        self, outputs: Mapping[str, NDArray[Any]], head: Head, contract: Contract, settings: DecodeSettings
    ) -> Any:
        """Outputs of one image to `Candidates` or `Keypoints`, in network pixels, before NMS, or to `Classes`."""


FAMILIES: Registry[HeadFamily] = Registry("head family")
