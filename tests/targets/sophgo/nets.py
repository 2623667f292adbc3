"""A small network with what TPU-MLIR's grids depend on: fused ReLU, SiLU, depthwise, shared input, pool, join, tail."""

from __future__ import annotations

import functools
from dataclasses import replace

import numpy as np

from edgewright.graph.model import Model
from edgewright.quant.collect import collect_statistics
from edgewright.quant.layout import default_precisions, layout
from edgewright.quant.observers import parse_observer
from edgewright.quant.plan import PrecisionPlan
from edgewright.quant.planner import QuantOptions, make_plan
from edgewright.targets.sophgo.backend import SophgoBackend
from tests.helpers import model_from_text, normal

TEXT = """
<ir_version: 8, opset_import: ["" : 13]>
g (float[1,3,16,16] image) => (float[1,12,256] out, float[1,8,8,8] pooled) {
    [c1] a = Conv <kernel_shape = [3,3], pads = [1,1,1,1]> (image, w1, b1)
    [r1] r = Relu (a)
    [dw] d = Conv <kernel_shape = [3,3], pads = [1,1,1,1], group = 8> (r, w2, b2)
    [s2] s = Sigmoid (d)
    [m2] body = Mul (d, s)
    [add] sum = Add (body, r)
    [pool] pooled = MaxPool <kernel_shape = [2,2], strides = [2,2]> (sum)
    [c3] boxes = Conv <kernel_shape = [1,1]> (sum, w3, b3)
    [c4] logits = Conv <kernel_shape = [1,1]> (sum, w4)
    [join] both = Concat <axis = 1> (boxes, logits)
    [flat] rows = Reshape (both, shape)
    [last] out = Mul (rows, rows)
}
"""
TAIL = ("join", "flat", "last")


@functools.cache
def network() -> Model:
    """The network with seeded weights; those of the depthwise Conv differ in size from channel to channel."""
    uneven = normal(8, 1, 3, 3) * np.logspace(-2, 0, 8, dtype=np.float32).reshape(8, 1, 1, 1)
    return model_from_text(
        TEXT,
        w1=normal(8, 3, 3, 3, scale=0.4),
        b1=normal(8, scale=0.3),
        w2=uneven.astype(np.float32),
        b2=normal(8, seed=1, scale=0.3),
        w3=normal(4, 8, 1, 1),
        b3=normal(4) * 8,
        w4=normal(8, 8, 1, 1, seed=2, scale=0.2),
        shape=np.array([1, 12, 256]),
    )


def images(count: int) -> list[dict[str, np.ndarray]]:
    """Seeded samples."""
    return [{"image": np.random.default_rng(index).random((1, 3, 16, 16), np.float32)} for index in range(count)]


def is_symmetric(chip: str, tag: str) -> bool:
    """Whether the plan of a recorded module is symmetric by itself; chips without zero points make any plan so."""
    return chip == "bm1684x" and tag != "asymmetric"


@functools.cache
def planned(model: Model, chip: str, float_nodes: tuple[str, ...] = (), *, symmetric: bool = False) -> PrecisionPlan:
    """8 bits, by minimum and maximum, but for `float_nodes`."""
    # as the recorded modules were planned: those of symmetric plans have a signed input
    profile = replace(SophgoBackend(chip).capabilities().fusion, unsigned_inputs=False)
    chosen = default_precisions(model, profile, "int8")
    chosen = {name: precision for name, precision in chosen.items() if name not in float_nodes}
    statistics = collect_statistics(model, layout(model, profile, chosen).observed, images(8), histogram=False)
    return make_plan(model, profile, statistics, chosen, QuantOptions(parse_observer("minmax"), symmetric=symmetric))


DEEP = """
<ir_version: 8, opset_import: ["" : 13]>
g (float[1,3,16,16] image) => (float[1,8,16,16] out) {
    [c0] a = Conv <kernel_shape = [3,3], pads = [1,1,1,1]> (image, w0)
    [r0] x0 = Relu (a)
    [c1] b = Conv <kernel_shape = [3,3], pads = [1,1,1,1]> (x0, w1)
    [r1] x1 = Relu (b)
    [c2] c = Conv <kernel_shape = [3,3], pads = [1,1,1,1]> (x1, w2)
    [r2] x2 = Relu (c)
    [c3] d = Conv <kernel_shape = [3,3], pads = [1,1,1,1]> (x2, w3)
    [r3] x3 = Relu (d)
    [c4] out = Conv <kernel_shape = [3,3], pads = [1,1,1,1]> (x3, w4)
}
"""


@functools.cache
def deep_network() -> Model:
    """Five layers: with the second one in float, three on codes read what it makes."""
    later = {f"w{number}": normal(8, 8, 3, 3, seed=number, scale=0.2) for number in range(1, 5)}
    return model_from_text(DEEP, w0=normal(8, 3, 3, 3, scale=0.4), **later)
