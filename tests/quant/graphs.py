"""Small graphs and statistics that the tests of quantisation share."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import onnx_ir as ir
import onnxruntime as ort
from numpy.typing import NDArray
from onnx import TensorProto, helper

from edgewright.graph.model import Model
from edgewright.quant.statistics import StreamingHistogram, TensorStatistics


def model_of(nodes: list[onnx.NodeProto], outputs: list[str], shape: list[Any], **constants: NDArray[Any]) -> Model:
    """A model with float input "x" of `shape`."""
    graph = helper.make_graph(
        nodes,
        "small",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_empty_tensor_value_info(name) for name in outputs],
        [onnx.numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    proto = onnx.ModelProto(
        graph=graph, ir_version=8, opset_import=[helper.make_opsetid("", 13), helper.make_opsetid("com.microsoft", 1)]
    )
    return Model(ir.from_proto(proto))


def network() -> Model:
    """Conv, SiLU, ReLU, a constant branch, a scalar, an int64 tensor and a bool one."""
    weight = np.random.default_rng(1).standard_normal((6, 3, 3, 3)).astype(np.float32)
    nodes = [
        helper.make_node("Conv", ["x", "weight"], ["conv"], pads=[1, 1, 1, 1]),
        helper.make_node("Sigmoid", ["conv"], ["sigmoid"]),
        helper.make_node("Mul", ["conv", "sigmoid"], ["silu"]),
        helper.make_node("Relu", ["conv"], ["relu"]),
        helper.make_node("Sub", ["relu", "relu"], ["nothing"]),
        helper.make_node("ReduceMean", ["silu"], ["mean"], keepdims=0),
        helper.make_node("ArgMax", ["silu"], ["winner"], axis=1),
        helper.make_node("Greater", ["silu", "relu"], ["more"]),
        helper.make_node("Concat", ["silu", "relu", "nothing"], ["out"], axis=1),
    ]
    return model_of(nodes, ["out", "mean", "winner", "more"], [1, 3, 16, 16], weight=weight)


def raw_values(model: Model, names: list[str], images: list[dict[str, NDArray[Any]]]) -> dict[str, NDArray[Any]]:
    """All values of tensors over all images, straight from ONNX Runtime, without optimisation."""
    proto = onnx.ModelProto.FromString(model.data)
    shown = {value.name for value in proto.graph.output}
    inputs = {value.name for value in proto.graph.input}
    proto.graph.output.extend(
        helper.make_empty_tensor_value_info(n) for n in names if n not in shown and n not in inputs
    )
    session = ort.InferenceSession(proto.SerializeToString(), providers=["CPUExecutionProvider"])
    found: dict[str, list[NDArray[Any]]] = {name: [] for name in names}
    for image in images:
        made = [name for name in names if name not in inputs]
        for name, value in zip(made, session.run(made, image) if made else [], strict=True):
            found[name].append(value.reshape(-1))
        for name in inputs & set(names):
            found[name].append(image[name].reshape(-1))
    return {name: np.concatenate(values) for name, values in found.items()}


def statistics_of(values: NDArray[Any], bins: int = 2048) -> TensorStatistics:
    """Statistics of `values`, as collected from two images."""
    histogram = StreamingHistogram(bins)
    histogram.add(values)
    halves = tuple((float(v.min()), float(v.max())) if v.size else None for v in (values[::2], values[1::2]))
    return TensorStatistics(
        name="t",
        images=2,
        count=values.size,
        non_finite=0,
        minimum=float(values.min(initial=np.inf)) if values.size else 0.0,
        maximum=float(values.max(initial=-np.inf)) if values.size else 0.0,
        sum=float(values.sum()),
        sum_of_squares=float((values.astype(np.float64) ** 2).sum()),
        halves=(halves[0], halves[1]),
        histogram=histogram,
    )
