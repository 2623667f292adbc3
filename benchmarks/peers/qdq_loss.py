"""ONNX Runtime's `qdq_loss_debug` on a float model and its QDQ model: error of every activation and every weight.

    PYTHONPATH=src python benchmarks/peers/qdq_loss.py FLOAT.onnx QDQ.onnx INPUTS.npy RESULT.json --images 50

Used as its documentation says: both models with every float tensor as an output, all images, then matched and
compared. INPUTS.npy holds (images, batch 1, ...). Figures of RESULT.json are signal to noise in dB, as the tool gives
them: `qdq_err` of a tensor before and after its own grid, `xmodel_err` against the float model (the accumulated error);
it has no isolated error. Cost is counted from the augmenting of the models to the last figure, imports left out.

The tool matches tensors by the endings of names that ONNX Runtime's own quantiser gives. A QDQ model from another
hand is first copied with these names, in time that is not counted; the graph stays as it is.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx_ir as ir
import onnxruntime as ort
from meter import Meter
from numpy.typing import NDArray
from onnxruntime.quantization import qdq_loss_debug as peer
from onnxruntime.quantization.quant_utils import (
    DEQUANT_OUTPUT_SUFFIX,
    QUANT_INPUT_SUFFIX,
    TENSOR_NAME_QUANT_SUFFIX,
)


def main() -> None:
    arguments = parse()
    with tempfile.TemporaryDirectory(prefix="edgewright-benchmark-") as scratch:
        named = Path(scratch) / "named.onnx"
        pairs = name_as_onnxruntime(arguments.float, arguments.qdq, named)
        images = np.load(arguments.inputs, mmap_mode="r")[: arguments.images]
        with Meter(arguments.memory) as meter:
            activations, weights = analyse(arguments, named, images, Path(scratch))
    result = {
        "images": len(images),
        "threads": "blocking" if arguments.blocking else "as they are",
        **meter.to_json(),
        "onnxruntime": ort.__version__,
        "activations": len(activations),
        "weights": len(weights),
        "pairs": pairs,
        "activation_db": activations,
        "weight_db": weights,
    }
    arguments.result.write_text(json.dumps(result, indent=1), encoding="utf-8")
    print(json.dumps({key: value for key, value in result.items() if not key.endswith("_db")}))


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, what in (
        ("float", "float model"),
        ("qdq", "the same model with QuantizeLinear and DequantizeLinear"),
        ("inputs", ".npy file of network inputs"),
        ("result", "JSON file to write"),
    ):
        parser.add_argument(name, type=Path, help=what)
    parser.add_argument("--images", type=int, default=50, help="images to take from the inputs")
    parser.add_argument("--blocking", action="store_true", help="idle threads of the peer block instead of spinning")
    parser.add_argument("--memory", type=float, default=16, help="GiB after which the process ends itself, status 3")
    return parser.parse_args()


def analyse(
    arguments: argparse.Namespace, qdq: Path, images: NDArray[Any], scratch: Path
) -> tuple[dict[str, dict[str, float]], dict[str, float]]:
    """Errors in dB by activation (`qdq_err`, `xmodel_err`) and by weight."""
    values = []
    for number, path in enumerate((qdq, arguments.float)):
        augmented = scratch / f"augmented{number}.onnx"
        peer.modify_model_output_intermediate_tensors(path, augmented)
        feeds: Any = every(images, ir.load(path).graph.inputs[0].name or "")
        values.append(peer.collect_activations(str(augmented), feeds, blocking() if arguments.blocking else None))
    matched = peer.create_activation_matching(*values)
    matched = {name: match for name, match in matched.items() if "float" in match}
    weights = peer.create_weight_matching(str(arguments.float), str(qdq))
    return peer.compute_activation_error(matched), peer.compute_weight_error(weights)


def every(images: NDArray[Any], name: str) -> Iterator[dict[str, NDArray[Any]]]:
    for image in images:
        yield {name: np.array(image)}


def blocking() -> ort.SessionOptions:
    """The options that `collect_activations` makes for itself, but idle threads take no CPU time."""
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return options


def name_as_onnxruntime(source: Path, qdq: Path, target: Path) -> dict[str, int]:
    """Writes the QDQ model with ONNX Runtime's names; returns the number of pairs and of those that have no such name.

    The tensor in front of a pair keeps its name, that of the float model, unless the pair makes a graph output.
    A second pair that narrows a tensor further has no partner in the float model and stays as it is.
    """
    model, weights = ir.load(qdq), set(ir.load(source).graph.initializers)
    count = {"activations": 0, "weights": 0, "unmatched": 0}
    for node in model.graph:
        if node.op_type != "DequantizeLinear":
            continue
        codes, result = node.inputs[0], node.outputs[0]
        assert codes is not None
        if codes.const_value is not None:
            count[_name_weight(model.graph, codes, weights)] += 1
            continue
        quantise = codes.producer()
        before = quantise.inputs[0] if quantise is not None else None
        maker = before.producer() if before is not None else None
        if before is None or (maker is not None and maker.op_type == "DequantizeLinear"):
            count["unmatched"] += 1
        elif result.is_graph_output():
            before.name = f"{result.name}{QUANT_INPUT_SUFFIX}"
            count["activations"] += 1
        else:
            result.name = f"{before.name}{DEQUANT_OUTPUT_SUFFIX}"
            count["activations"] += 1
    ir.save(model, target)
    return count


def _name_weight(graph: ir.Graph, codes: ir.Value, weights: set[str]) -> str:
    own = [name for name in weights if (codes.name or "").startswith(name)]
    if not own:
        return "unmatched"
    graph.initializers.pop(codes.name or "")
    codes.name = f"{max(own, key=len)}{TENSOR_NAME_QUANT_SUFFIX}"
    graph.initializers[codes.name] = codes
    return "weights"


if __name__ == "__main__":
    main()
