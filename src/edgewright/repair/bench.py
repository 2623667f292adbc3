"""What a search needs of the outside: images to fit and to try on, the real target to confirm on, and time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from edgewright.graph.reference import Feeds
from edgewright.quant.statistics import TensorStatistics
from edgewright.repair.candidate import Candidate, PlanMaker
from edgewright.repair.cost import Cost
from edgewright.repair.damage import Damage
from edgewright.tasks.metric import Metric
from edgewright.tensors import Part


@dataclass(frozen=True)
class Trial:
    """A candidate, emulated on calibration images and compared with the float model.

    Attributes:
        images: number of images.
        damage: error of the parts, image by image.
        metric: agreement with the float model where the task has one; never with labels.
    """

    images: int
    damage: Damage
    metric: Metric | None = None

    def to_json(self) -> dict[str, Any]:
        """The trial as JSON data."""
        metric = self.metric.to_json() if self.metric else None
        return {"images": self.images, "damage": self.damage.to_json(), "metric": metric}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Trial:
        """Inverse of `to_json`."""
        metric = Metric.from_json(data["metric"]) if data["metric"] else None
        return cls(data["images"], Damage.from_json(data["damage"]), metric)


@dataclass(frozen=True)
class Confirmation:
    """A candidate, built by the target's toolchain and measured on all evaluation images.

    Attributes:
        name: of the variant in the table.
        metric: task metric; None where there is none.
        drop: points below the source model.
        parts: relative L2 of each part; None: not finite.
        passed: whether it is within the limits of the verdict.
        cost: with its latency, where the target can run and the budget asks for it.
        failed: why the toolchain could not build or run it; empty when it could. It has no figures then.
        provisional: it passed as a draft; what would ship has not been built or measured yet.
        beside_float: time of a run over that of the float artifact, where the toolchain tells both.
    """

    name: str
    metric: Metric | None
    drop: float | None
    parts: Mapping[str, float | None]
    passed: bool
    cost: Cost
    failed: str = ""
    provisional: bool = False
    beside_float: float | None = None

    def to_json(self) -> dict[str, Any]:
        """The figures as JSON data."""
        return {
            **self.__dict__,
            "metric": self.metric.to_json() if self.metric else None,
            "parts": dict(self.parts),
            "cost": self.cost.to_json(),
        }


@dataclass(frozen=True)
class Material:
    """What stays the same during a search.

    Attributes:
        maker: makes plans for the target.
        parts: parts of the source model's outputs.
        precisions: what the target computes in.
        keep_outputs: outputs that must keep their name, shape and meaning.
        whole_macs: multiply-accumulates of the network before any rewrite.
        seed: of everything random.
    """

    maker: PlanMaker
    parts: tuple[Part, ...]
    precisions: tuple[str, ...]
    whole_macs: int
    keep_outputs: bool = False
    seed: int = 0


class Bench(Protocol):
    """The outside of a search. Everything that takes long is kept: asked again, it answers at once."""

    material: Material

    def statistics(self, candidate: Candidate) -> Mapping[str, TensorStatistics]:
        """What calibration sees of the candidate's activations."""

    def fit_feeds(self, most: int) -> Iterable[Feeds]:
        """Network inputs of calibration images to fit on; none of them is among those of `trial`, if there are more."""

    def trial(self, candidate: Candidate, images: int) -> Trial:
        """Emulate a candidate on so many of the calibration images that are kept for this, or on all there are."""

    def confirm(self, candidate: Candidate, *, draft: bool = False) -> Confirmation:
        """Build a candidate for the target and measure it on the evaluation images.

        Args:
            draft: a target that has drafts may spare what takes long; passing is provisional then.
        """

    def kept(
        self, name: str, key: Mapping[str, Any], compute: Callable[[Path], dict[str, Any]]
    ) -> tuple[dict[str, Any], Path]:
        """The result of work that depends on nothing but `key`: JSON data, and a folder with files."""

    def cost(self, candidate: Candidate) -> Cost:
        """What the candidate costs, as far as the plan tells."""

    def save(self, journal: Mapping[str, Any]) -> None:
        """Keep the state of the search, the best so far in it, where a person or a later run finds it."""

    def seconds_left(self) -> float:
        """Until the time limit; infinite without one."""

    def tell(self, text: str) -> None:
        """Say what is going on."""
