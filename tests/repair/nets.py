"""Small networks, chains and random ones, with plans that need no calibration."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any

import numpy as np
import onnx
from onnx import helper

from edgewright.graph.macs import count_macs
from edgewright.graph.model import Model
from edgewright.quant.layout import default_precisions, observable
from edgewright.quant.observers import parse_observer
from edgewright.quant.plan import Precision, PrecisionPlan
from edgewright.quant.planner import QuantOptions
from edgewright.quant.profile import FusionProfile
from edgewright.quant.statistics import TensorStatistics
from edgewright.repair.candidate import Candidate, PlanMaker
from edgewright.repair.cost import Cost, cost_of
from edgewright.targets.registry import get_backend
from tests.helpers import normal
from tests.quant.graphs import model_of, statistics_of

CPU: FusionProfile = get_backend("onnxruntime/cpu").capabilities().fusion
NPU: FusionProfile = get_backend("onnxruntime/npu").capabilities().fusion
OPTIONS = QuantOptions(observer=parse_observer("minmax"))


def statistics(model: Model, profile: FusionProfile = CPU) -> Mapping[str, TensorStatistics]:
    """Every activation between -1 and 1."""
    seen = statistics_of(np.linspace(-1, 1, 9, dtype=np.float32))
    return dict.fromkeys(observable(model, profile), seen)


def candidate_of(model: Model, profile: FusionProfile = CPU, **changes: Precision) -> Candidate:
    """Everything at 8 bits, but for the ops in `changes`."""
    ops = {**default_precisions(model, profile, "int8"), **changes}
    ops = {name: precision for name, precision in ops.items() if precision != "float"}
    return Candidate(model=model, whole=model, ops=ops, observer="minmax")


def plan_of(candidate: Candidate, profile: FusionProfile = CPU) -> PrecisionPlan:
    return PlanMaker(profile, OPTIONS).plan(candidate, statistics(candidate.model, profile))


def priced(candidate: Candidate, profile: FusionProfile = CPU, whole_macs: int | None = None) -> Cost:
    """What a candidate costs by its plan."""
    whole = sum(count_macs(candidate.model).values()) if whole_macs is None else whole_macs
    return cost_of(candidate.model, profile, plan_of(candidate, profile), whole)


def chain(*channels: int, side: int = 4) -> Model:
    """Convolutions c1, c2... of 1x1 kernels that make t1, t2... of so many channels; the last one is the output."""
    nodes, weights, before = [], {}, 1
    for number, count in enumerate(channels, 1):
        source = "x" if number == 1 else f"t{number - 1}"
        nodes.append(helper.make_node("Conv", [source, f"w{number}"], [f"t{number}"], name=f"c{number}"))
        weights[f"w{number}"] = normal(count, before, 1, 1, seed=number)
        before = count
    return model_of(nodes, [f"t{len(channels)}"], [1, 1, side, side], **weights)


class RandomNet:
    """A network of what real ones are made of: fused activations, joins, moves, ops that stay in float, shared tensors.

    All tensors are 1 x 4 x 8 x 8.
    """

    def __init__(self, seed: int, size: int) -> None:
        self.random = random.Random(seed)
        self.nodes: list[onnx.NodeProto] = []
        self.constants: dict[str, np.ndarray] = {
            "flat": np.array([1, 4, 64]),
            "back": np.array([1, 4, 8, 8]),
            "halves": np.array([2, 2]),
        }
        self.tensors = ["x"]
        makers = (self.conv, self.relu, self.silu, self.add, self.join, self.pool, self.moves, self.elu, self.split)
        for _ in range(size):
            self.tensors.append(self.random.choice(makers)(self.random.choice(self.tensors[-4:])))

    def model(self) -> Model:
        """The outputs are what nothing reads, and one tensor that something reads."""
        read = {name for node in self.nodes for name in node.input}
        made = [name for node in self.nodes for name in node.output]
        loose = [name for name in made if name not in read]
        inner = [name for name in self.tensors[1:] if name in read]
        return model_of(self.nodes, [*loose, *inner[:1]], [1, 4, 8, 8], **self.constants)

    def op(self, kind: str, *inputs: str, outputs: int = 1, **attributes: Any) -> str:
        number = len(self.nodes)
        names = [f"v{number}"] if outputs == 1 else [f"v{number}_{index}" for index in range(outputs)]
        self.nodes.append(helper.make_node(kind, list(inputs), names, name=f"n{number}", **attributes))
        return names[0]

    def conv(self, source: str, channels: int = 4, group: int | None = None) -> str:
        group = self.random.choice((1, 2, 4)) if group is None else group
        weight = f"w{len(self.nodes)}"
        self.constants[weight] = normal(4, channels // group, 3, 3, seed=len(self.nodes))
        return self.op("Conv", source, weight, pads=[1, 1, 1, 1], group=group)

    def relu(self, source: str) -> str:
        return self.op("Relu", self.conv(source))

    def silu(self, source: str) -> str:
        made = self.conv(source)
        return self.op("Mul", made, self.op("Sigmoid", made))

    def add(self, source: str) -> str:
        return self.op("Add", source, self.random.choice(self.tensors))

    def join(self, source: str) -> str:
        return self.conv(self.op("Concat", source, self.random.choice(self.tensors), axis=1), 8, 1)

    def pool(self, source: str) -> str:
        return self.op("MaxPool", source, kernel_shape=[3, 3], pads=[1, 1, 1, 1])

    def moves(self, source: str) -> str:
        return self.op("Reshape", self.op("Reshape", source, "flat"), "back")

    def elu(self, source: str) -> str:
        return self.op("Elu", source)

    def split(self, source: str) -> str:
        first = self.op("Split", source, "halves", outputs=2, axis=1)
        return self.op("Concat", first.replace("_0", "_1"), first, axis=1)
