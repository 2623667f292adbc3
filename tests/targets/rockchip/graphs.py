"""A small network with what the toolkit fuses, and the fused graph that RKNN-Toolkit2 2.3.2 made of it."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from edgewright.graph.model import Model
from edgewright.quant.collect import collect_statistics
from edgewright.quant.layout import default_precisions, observable
from edgewright.quant.observers import parse_observer
from edgewright.quant.plan import Precision, PrecisionPlan
from edgewright.quant.planner import QuantOptions, make_plan
from edgewright.targets.backend import Feeds
from edgewright.targets.rockchip.backend import RockchipBackend
from tests.helpers import model_from_text, normal

TEXT = """
<ir_version: 8, opset_import: ["" : 13]> g (float[1,3,16,16] x) => (float[1,8,8,8] y)
{
  c = Conv <pads=[1,1,1,1], strides=[2,2]> (x, w, b)
  s = Sigmoid (c)
  m = Mul (c, s)
  d = Conv <pads=[1,1,1,1], group=8> (m, v)
  t = Sigmoid (d)
  n = Mul (d, t)
  p = Conv (n, u)
  y = Add (p, m)
}
"""


def silu_model() -> Model:
    """Conv + SiLU, depthwise Conv + SiLU, Conv, and an Add; nodes are named like their output."""
    model = model_from_text(
        TEXT,
        w=normal(8, 3, 3, 3, scale=0.3),
        b=normal(8),
        v=normal(8, 1, 3, 3),
        u=normal(8, 8, 1, 1),
    )
    for node in model.ir.graph:
        node.name = node.outputs[0].name
    return model


def images(count: int = 4, channels: int = 3) -> list[dict[str, np.ndarray]]:
    """Seeded inputs in 0..1."""
    generator = np.random.default_rng(0)
    return [{"x": generator.random((1, channels, 16, 16), np.float32)} for _ in range(count)]


def samples(count: int) -> Iterable[Feeds]:
    """Calibration images, as `Backend.build` asks for them."""
    return images(min(count, 4))


def plan_for(model: Model, changes: dict[str, Precision] | None = None, chip: str = "rk3588") -> PrecisionPlan:
    """A plan in int8 but for `changes`."""
    profile = RockchipBackend(chip).capabilities().fusion
    precisions = {**default_precisions(model, profile, "int8"), **(changes or {})}
    statistics = collect_statistics(model, observable(model, profile), images(), histogram=False)
    return make_plan(model, profile, statistics, precisions, QuantOptions(parse_observer("minmax")))


def entry(low: float, high: float, dtype: str = "int8") -> dict[str, object]:
    """What the toolkit says of a tensor after calibration."""
    whole = {"qtype": "asym", "qmethod": "layer", "dtype": dtype, "min": [low], "max": [high]}
    return {**whole, "scale": [(high - low) / 255], "zero_point": [0], "ori_min": [low], "ori_max": [high]}


NODES = [
    {"op": "exDataConvert", "name": "in", "inputs": ["x"], "outputs": ["x_int8"]},
    {"op": "Conv", "name": "c", "inputs": ["x_int8", "w", "b"], "outputs": ["c"]},
    {"op": "exSwish", "name": "s_2swish", "inputs": ["c"], "outputs": ["m"]},
    {"op": "Conv", "name": "d", "inputs": ["m", "v"], "outputs": ["d"]},
    {"op": "exSwish", "name": "t_2swish", "inputs": ["d"], "outputs": ["n"]},
    {"op": "Conv", "name": "p", "inputs": ["n", "u"], "outputs": ["p"]},
    {"op": "Add", "name": "y", "inputs": ["p", "m"], "outputs": ["y_int8"]},
    {"op": "exDataConvert", "name": "out", "inputs": ["y_int8"], "outputs": ["y"]},
]
