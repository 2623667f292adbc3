"""Reading back what ONNX Runtime makes of a quantised graph: which ops really run on codes.

ONNX Runtime fuses DequantizeLinear, op, QuantizeLinear into an integer kernel where it has one, and otherwise computes
in float between conversions without a word. The optimised graph, which it can save, tells.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import onnx

from edgewright.errors import ToolchainError
from edgewright.graph.model import Model
from edgewright.quant.plan import PrecisionPlan
from edgewright.targets.facts import load_facts

_CONVERSIONS = frozenset({"QuantizeLinear", "DequantizeLinear"})
_MOVES = frozenset(load_facts("onnxruntime")["fusion"]["same_grid_ops"])
_CODES = frozenset(
    {
        onnx.TensorProto.UINT8,
        onnx.TensorProto.INT8,
        onnx.TensorProto.UINT16,
        onnx.TensorProto.INT16,
    }
)


def read_back(data: bytes, plan: PrecisionPlan | None) -> dict[str, Any]:
    """What the optimised graph really contains.

    Returns:
        `int8`: ops on codes; `int16`: ops that the plan has in 16 bits, which ONNX Runtime computes in float between
        16-bit grids; `float`: other ops on real values (without conversions); `conversions`: QuantizeLinear and
        DequantizeLinear that remain; `absorbed`: planned ops that an integer kernel swallowed; `in_float`: names of ops
        that were planned in integers and run in float.
    """
    graph = optimised_graph(data).graph
    codes = _code_tensors(graph)
    kinds = {node.name: _kind(node, codes) for node in graph.node}
    counts = Counter(kinds.values())
    planned = [name for name, precision in plan.ops.items() if precision != "float"] if plan else []
    makers = _makers(data) if plan else {}
    in_float = [name for name in planned if kinds.get(name, kinds.get(makers.get(name, ""))) == "float"]
    wide = [name for name in in_float if plan is not None and plan.ops[name] == "int16" and name in kinds]
    return {
        "int8": counts["codes"],
        "int16": len(wide),
        "float": counts["float"] - len(wide),
        "conversions": counts["conversion"],
        "absorbed": sum(name not in kinds and name not in in_float for name in planned),
        "in_float": in_float,
    }


def as_planned(model: Model, plan: PrecisionPlan | None) -> dict[str, Any]:
    """The same for a chip that is only emulated: what the plan asks for, for nothing else is known of it."""
    names = [node.name or "" for node in model.ir.graph]
    counts = Counter(plan.ops.get(name, "float") for name in names) if plan else Counter({"float": len(names)})
    widths = {width: counts[width] for width in ("int8", "int16", "float")}
    return {**widths, "conversions": len(plan.narrowed) if plan else 0, "absorbed": 0, "in_float": []}


def _makers(data: bytes) -> dict[str, str]:
    """The node that makes the first input of each node, as the model was written: a kernel that swallows an activation
    keeps the name of the op before it."""
    graph = onnx.ModelProto.FromString(data).graph
    by_output = {output: node.name for node in graph.node for output in node.output}
    return {node.name: by_output.get(node.input[0], "") for node in graph.node if node.input}


def optimised_graph(data: bytes) -> onnx.ModelProto:
    """The graph that ONNX Runtime runs, before layout changes that are private to one CPU.

    Raises:
        ToolchainError: ONNX Runtime does not load the model.
    """
    import onnxruntime as ort

    with tempfile.TemporaryDirectory(prefix="edgewright-") as folder:
        path = Path(folder) / "optimised.onnx"
        options = ort.SessionOptions()
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
        options.optimized_model_filepath = str(path)
        options.log_severity_level = 4
        options.intra_op_num_threads = 1
        try:
            ort.InferenceSession(data, options, providers=["CPUExecutionProvider"])
        except Exception as error:
            raise ToolchainError(
                "ONNX Runtime refuses the model that was built from the plan",
                why=str(error).strip().splitlines()[0][:400],
                todo="report this with the model attached: a valid plan must give a valid model",
            ) from error
        optimised = onnx.ModelProto()
        optimised.ParseFromString(path.read_bytes())
        return optimised


def _code_tensors(graph: onnx.GraphProto) -> frozenset[str]:
    """Names of tensors that hold codes. The saved graph has no types of inner tensors, so they are followed."""
    codes = {tensor.name for tensor in graph.initializer if tensor.data_type in _CODES}
    for node in graph.node:
        makes_codes = node.op_type == "QuantizeLinear" or _is_integer_kernel(node)
        if makes_codes or (node.op_type in _MOVES and node.input and node.input[0] in codes):
            codes.update(node.output)
    return frozenset(codes)


def _kind(node: onnx.NodeProto, codes: frozenset[str]) -> str:
    if node.op_type in _CONVERSIONS:
        return "conversion"
    on_codes = _is_integer_kernel(node) or (bool(node.input) and node.input[0] in codes)
    return "codes" if on_codes else "float"


def _is_integer_kernel(node: onnx.NodeProto) -> bool:
    return node.op_type.startswith("QLinear") or node.op_type in ("QGemm", "ConvInteger", "MatMulInteger")
