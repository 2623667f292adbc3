"""Small networks with plans, and their errors by NumPy alone, for the tests of error measurement."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
from numpy.typing import NDArray
from onnx.reference import ReferenceEvaluator

from edgewright.graph.model import Model
from edgewright.quant.collect import collect_statistics
from edgewright.quant.layout import default_precisions, layout
from edgewright.quant.observers import parse_observer
from edgewright.quant.plan import PrecisionPlan
from edgewright.quant.planner import QuantOptions, make_plan
from edgewright.quant.profile import FusionProfile
from edgewright.quant.qdq import write_qdq
from tests.helpers import model_from_text, normal

PROFILE = FusionProfile(
    quantised_ops=frozenset(
        {"Conv", "Relu", "Sigmoid", "Mul", "Add", "MaxPool", "Concat", "Reshape", "Split", "Resize", "Gemm"}
    ),
    same_grid_ops=frozenset({"MaxPool", "Reshape", "Split", "Resize"}),
    fused_activations=frozenset({"Relu"}),
    weight_ops=frozenset({"Conv", "Gemm"}),
)
SILU = replace(PROFILE, fuse_silu=True)
NETWORK = """
<ir_version: 8, opset_import: ["" : 17]>
g (float[1,4,8,8] image) => (float[1,8,8,8] act, float[1,16,4,4] out) {
    [conv] c = Conv <pads = [1,1,1,1]> (image, w, b)
    [sig] s = Sigmoid (c)
    [act] act = Mul (c, s)
    [group] g = Conv <pads = [1,1,1,1], group = 4> (act, wg, bg)
    [relu] r = Relu (g)
    [soft] f = Softplus (r)
    [scale] h = Mul (f, ten)
    [plus] a = Add (h, act)
    [join] j = Concat <axis = 1> (a, act)
    [pool] out = MaxPool <kernel_shape = [2,2], strides = [2,2]> (j)
}
"""


def network() -> Model:
    """SiLU, a grouped Conv with ReLU, an op in float, unlike ranges joined, and an output that is read inside."""
    weights = {"w": normal(8, 4, 3, 3, scale=0.3), "b": normal(8), "wg": normal(8, 2, 3, 3), "bg": normal(8, seed=1)}
    return model_from_text(NETWORK, **weights, ten=np.array([10.0], np.float32))


def images(count: int = 3, shape: Sequence[int] = (1, 4, 8, 8)) -> list[dict[str, NDArray[Any]]]:
    return [{"image": normal(*shape, seed=seed) * (1 + seed)} for seed in range(count)]


def plan_for(
    model: Model,
    profile: FusionProfile = PROFILE,
    precisions: Mapping[str, str] | None = None,
    feeds: Sequence[Mapping[str, NDArray[Any]]] | None = None,
    observer: str = "minmax",
) -> PrecisionPlan:
    """The plan that calibration on `feeds` gives; `precisions` are those that differ from 8 bits."""
    chosen: dict[str, Any] = {**default_precisions(model, profile, "int8"), **(precisions or {})}
    observed = layout(model, profile, chosen).observed
    statistics = collect_statistics(model, observed, feeds or images(), histogram=observer != "minmax")
    return make_plan(model, profile, statistics, chosen, QuantOptions(parse_observer(observer)))


def tensors(model: Model, feeds: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """Every tensor of a graph, copied out of ONNX Runtime without optimisation, inputs and initialisers included."""
    proto = onnx.ModelProto.FromString(model.data)
    made = [name for node in proto.graph.node for name in node.output if name]
    del proto.graph.output[:]
    proto.graph.output.extend(onnx.ValueInfoProto(name=name) for name in made)
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 4
    session = ort.InferenceSession(proto.SerializeToString(), options, providers=["CPUExecutionProvider"])
    found = dict(zip(made, session.run(made, feeds), strict=True))
    return {**{t.name: onnx.numpy_helper.to_array(t) for t in proto.graph.initializer}, **feeds, **found}


def accumulated(model: Model, plan: PrecisionPlan, feeds: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """Every gridded tensor of the quantised network behind its grid."""
    found = tensors(write_qdq(model, plan), feeds)
    return {name: found.get(f"{name}_dequantised", found.get(name)) for name in plan.activations}


def on_grids(
    model: Model,
    plan: PrecisionPlan,
    op: Sequence[str],
    values: Mapping[str, NDArray[Any]],
    *,
    activations: bool = True,
) -> NDArray[Any]:
    """What the nodes named in `op` make together, by NumPy, from the float network's values.

    Args:
        op: nodes that are computed as one, the last one gives the result.
        activations: inputs behind the grids that they are read through; else only constants are on grids.
    """
    proto = onnx.ModelProto.FromString(model.data)
    inner: dict[str, NDArray[Any]] = {}
    result = ""
    for node in (node for node in proto.graph.node if node.name in op):
        inputs = {}
        for name in node.input:
            grid = plan.weights.get(name) or (plan.grid_seen(name, node.name) if activations else None)
            value = inner.get(name, values[name])
            if name in plan.narrowed and grid is plan.narrowed[name]:
                own = plan.activations[name]
                value = own.dequantise(own.quantise(value))
            inputs[name] = value if grid is None or name in inner else grid.dequantise(grid.quantise(value))
        found = ReferenceEvaluator(node).run(list(node.output), inputs)
        inner.update(zip(node.output, found, strict=True))
        result = node.output[0]
    if activations and result in plan.activations:
        return plan.activations[result].dequantise(plan.activations[result].quantise(inner[result]))
    return inner[result]


def squared(difference: NDArray[Any]) -> float:
    return float(np.square(difference.astype(np.float64)).sum())
