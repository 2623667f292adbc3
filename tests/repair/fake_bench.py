"""A bench whose figures follow a simple rule, around a real network that remedies are really applied to."""

from __future__ import annotations

import functools
import json
import math
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from edgewright.files import digest_of
from edgewright.graph.macs import count_macs
from edgewright.graph.model import Model
from edgewright.graph.reference import Feeds
from edgewright.quant.collect import collect_statistics
from edgewright.quant.layout import observable
from edgewright.quant.planner import QuantOptions
from edgewright.quant.profile import FusionProfile
from edgewright.quant.statistics import TensorStatistics
from edgewright.repair.bench import Confirmation, Material, Trial
from edgewright.repair.candidate import Candidate, PlanMaker
from edgewright.repair.cost import Cost, cost_of
from edgewright.repair.damage import Damage
from edgewright.tensors import Part
from tests.cli import zoo
from tests.repair.nets import CPU, OPTIONS, candidate_of

PARTS = (Part("boxes", "answer", 1, 0, 4, "boxes", 1), Part("scores", "answer", 1, 4, None, "probability", 1))
IMAGES = 48


@functools.cache
def detector() -> Model:
    """Boxes and scores meet on one grid; the boxes of one cell leave no room for scores."""
    graph = zoo.detector(wide=True).clone()
    for node in graph.graph:
        node.name = f"{node.op_type}_{node.outputs[0].name}"
    return Model(graph)


def pictures(model: Model, count: int, seed: int = 0) -> list[Feeds]:
    """Random inputs, 0 to 1; for the detector, squares of pure colours on a dark ground."""
    (value,) = model.ir.graph.inputs
    assert value.shape is not None
    shape = tuple(int(size) for size in value.shape if isinstance(size, int))
    generator = np.random.default_rng(seed)
    images = [generator.random(shape, np.float32) for _ in range(count)]
    for image in images if shape[1:] == (3, 32, 32) else ():
        image *= 0.15
        for cell in generator.choice(16, 3, replace=False):
            rows, columns = slice(8 * (cell // 4), 8 * (cell // 4) + 8), slice(8 * (cell % 4), 8 * (cell % 4) + 8)
            image[0, :, rows, columns] = np.eye(3, dtype=np.float32)[generator.integers(3), :, None, None]
    return [{value.name or "": image} for image in images]


class Memory:
    """What was computed for candidates, for all benches that share it: a search proposes the same again and again."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.results: dict[str, tuple[dict[str, Any], Path]] = {}
        self.statistics: dict[str, Mapping[str, TensorStatistics]] = {}
        self.costs: dict[str, Cost] = {}


class FakeBench:
    """See `repair.bench.Bench`.

    Args:
        level: damage of a candidate: its squared error, the same in the mean over all images.
        drop: points that a candidate loses; None: 100 times its level.
        latency: time of a candidate relative to 8 bits, as confirmations tell it.
        beside_float: time of a candidate relative to the float artifact.
        seconds: time limit; every trial and every confirmation takes one.
        noise: how much a candidate's images differ from what they should be, by chance.
        limit: drop that is allowed.
        whole: points that a candidate loses when it is built in full; None: the target has no drafts.
    """

    def __init__(
        self,
        memory: Memory,
        level: Callable[[Candidate], float],
        *,
        drop: Callable[[Candidate], float] | None = None,
        latency: Callable[[Candidate], float] | None = None,
        beside_float: Callable[[Candidate], float] | None = None,
        model: Model | None = None,
        parts: tuple[Part, ...] = PARTS,
        options: QuantOptions = OPTIONS,
        profile: FusionProfile = CPU,
        precisions: tuple[str, ...] = ("float", "int8", "int16"),
        keep_outputs: bool = False,
        seconds: float = math.inf,
        noise: float = 0.0,
        limit: float = 1.0,
        seed: int = 0,
        whole: Callable[[Candidate], float] | None = None,
    ) -> None:
        self.whole = whole
        self.memory, self.level, self.limit, self.noise, self.seed = memory, level, limit, noise, seed
        self.drop = drop or (lambda candidate: 100.0 * level(candidate))
        self.latency = latency
        self.beside_float = beside_float
        self.model = model or detector()
        self.left = seconds
        self.material = Material(
            maker=PlanMaker(profile, options),
            parts=parts,
            precisions=precisions,
            whole_macs=sum(count_macs(self.model).values()),
            keep_outputs=keep_outputs,
        )
        self.trials: list[tuple[Candidate, int]] = []
        self.confirmed: list[Candidate] = []
        self.built: list[Candidate] = []
        self.journals: list[dict[str, Any]] = []
        self.said: list[str] = []

    def start(self) -> Candidate:
        """Everything at 8 bits."""
        return candidate_of(self.model, self.material.maker.profile)

    def statistics(self, candidate: Candidate) -> Mapping[str, TensorStatistics]:
        model, known = candidate.model, self.memory.statistics
        if model.digest not in known:
            names = observable(model, self.material.maker.profile)
            known[model.digest] = collect_statistics(model, names, pictures(model, 4), histogram=True)
        return known[model.digest]

    def fit_feeds(self, most: int) -> Iterator[Feeds]:
        return iter(pictures(self.model, min(most, 4)))

    def trial(self, candidate: Candidate, images: int) -> Trial:
        self.left -= 1
        self.trials.append((candidate, images))
        count = min(images, IMAGES)
        scene = np.random.default_rng(1).lognormal(size=IMAGES)[:count]
        chance = np.random.default_rng([self.seed, int(candidate.digest[:8], 16)])
        luck = chance.lognormal(sigma=self.noise, size=IMAGES)[:count] if self.noise else 1.0
        total = self.level(candidate) * scene / scene.mean() * luck
        return Trial(count, Damage(("boxes", "scores"), np.stack([total / 2, total / 2], axis=1)))

    def confirm(self, candidate: Candidate, *, draft: bool = False) -> Confirmation:
        self.left -= 1
        self.confirmed.append(candidate)
        drop = self.drop(candidate)
        provisional = draft and self.whole is not None and drop <= self.limit
        if self.whole is not None and not draft and drop <= self.limit:
            drop = self.whole(candidate)
            self.built.append(candidate)
        cost = self.cost(candidate)
        if self.latency is not None:
            cost = Cost.from_json({**cost.to_json(), "latency": self.latency(candidate)})
        return Confirmation(
            candidate.name,
            None,
            drop,
            {"boxes": drop / 100},
            drop <= self.limit,
            cost,
            provisional=provisional,
            beside_float=self.beside_float(candidate) if self.beside_float else None,
        )

    def kept(
        self, name: str, key: Mapping[str, Any], compute: Callable[[Path], dict[str, Any]]
    ) -> tuple[dict[str, Any], Path]:
        digest = digest_of({"name": name, **key})
        if digest not in self.memory.results:
            folder = Path(tempfile.mkdtemp(dir=self.memory.folder))
            self.memory.results[digest] = json.loads(json.dumps(compute(folder))), folder
        return self.memory.results[digest]

    def cost(self, candidate: Candidate) -> Cost:
        known, maker = self.memory.costs, self.material.maker
        if candidate.digest not in known:
            plan = maker.plan(candidate, self.statistics(candidate))
            known[candidate.digest] = cost_of(candidate.model, maker.profile, plan, self.material.whole_macs)
        return known[candidate.digest]

    def save(self, journal: Mapping[str, Any]) -> None:
        self.journals.append(json.loads(json.dumps(journal, allow_nan=False)))

    def seconds_left(self) -> float:
        return self.left

    def tell(self, text: str) -> None:
        self.said.append(text)
