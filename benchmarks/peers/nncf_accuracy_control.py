"""NNCF's `quantize_with_accuracy_control` on a model and images that a benchmark handed over.

    PYTHONPATH=src PEER/bin/python benchmarks/peers/nncf_accuracy_control.py HANDOVER OUT --max-drop 0.7

PEER is an environment made from requirements-nncf.txt. HANDOVER is a folder by `handover.write_handover`: the model,
the network inputs, and what Edgewright needs to decode and to measure; NNCF's loop calls that code, so both tools are
measured by one metric. OUT gets int8.onnx (what NNCF started from), quantised.onnx (what it ended with, or the best
that was seen when it was stopped), nncf.log, trace.csv and result.json, which is printed too. A failure is a result as
well: it is written down with its message, and the exit status stays 0.

NNCF is used as its examples use it, its settings untouched: the validation function returns the metric and no values
for single images, so NNCF calls it once for each image of the float and of the int8 model beside the calls on all
images. It passes the items of the data set as they are, not transformed; items here are positions. Its telemetry is
off.
"""

from __future__ import annotations

import argparse
import functools
import json
import logging
import os
import time
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import onnx
from handover import Handover, read_handover
from meter import Meter

from edgewright.graph.reference import ReferenceSession

_QUANTISERS = ("QuantizeLinear", "DequantizeLinear")


class TimeUp(BaseException):
    """The time limit has passed. NNCF catches `Exception` around its first call, so this is none."""


class Validation:
    """The function that NNCF calls, and what it saw.

    Attributes:
        calls, single_calls: calls on all images and on one image.
        images: images run in all calls.
        float_ap, int8_ap: AP of the float model and of the first quantised one; None before they were seen.
        best: largest AP of a quantised model on all images, and the model.
        trace: seconds since the start and AP of each call on all images.
    """

    def __init__(self, data: Handover, time_limit: float) -> None:
        self.data = data
        self.started = time.perf_counter()
        self.time_limit = time_limit
        self.calls = self.single_calls = self.images = 0
        self.float_ap: float | None = None
        self.int8_ap: float | None = None
        self.best: tuple[float, onnx.ModelProto] | None = None
        self.trace: list[tuple[float, float]] = []

    def __call__(self, model: onnx.ModelProto, items: Iterable[int]) -> tuple[float, None]:
        with ReferenceSession(model.SerializeToString()) as session:
            found = {}
            for index in items:
                if time.perf_counter() - self.started > self.time_limit:
                    raise TimeUp
                found[index] = self.data.detections(session(self.data.feeds("evaluation", index)), index)
        self.images += len(found)
        value = self.data.ap(found)
        if len(found) < len(self.data.names):
            self.single_calls += 1
            return value, None
        self.calls += 1
        self.trace.append((time.perf_counter() - self.started, value))
        self._remember(model, value)
        return value, None

    def _remember(self, model: onnx.ModelProto, value: float) -> None:
        if not quantised_ops(model):
            self.float_ap = value
            return
        if self.int8_ap is None:
            self.int8_ap = value
        if self.best is None or value > self.best[0]:
            self.best = value, model


def main() -> None:
    arguments = parse()
    arguments.out.mkdir(parents=True, exist_ok=True)
    os.environ.update(NNCF_CI="1", CI="true")  # before NNCF is imported: telemetry knows no other switch
    _log_to(arguments.out / "nncf.log")
    data = read_handover(arguments.handover)
    validation = Validation(data, arguments.time_limit)
    status, message, model = "failed", "", None
    with Meter(interval=0.05) as meter:
        try:
            model = quantise(data, validation, arguments)
        except TimeUp:
            status, message = "stopped", f"stopped at {arguments.time_limit:g} s"
        except Exception as error:  # noqa: BLE001 - whatever ends the peer is a result of the benchmark
            message = f"{type(error).__name__}: {error}"
    result = {"status": status, "message": message, **meter.to_json(), **told(validation, arguments)}
    if model is not None:
        value = Validation(data, float("inf"))(model, range(len(data.names)))[0]
        result.update(ap_result(validation, value, arguments.max_drop))
    elif validation.best is not None:
        result["best_seen_ap"], model = validation.best
    if model is not None:
        result.update(structure(model, arguments.out))
    rows = "".join(f"{seconds:.1f},{value:.3f}\n" for seconds, value in validation.trace)
    (arguments.out / "trace.csv").write_text(f"seconds,ap\n{rows}", encoding="utf-8")
    text = json.dumps(result, indent=1)
    (arguments.out / "result.json").write_text(text, encoding="utf-8")
    print(text)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("handover", type=Path, help="folder by handover.write_handover")
    parser.add_argument("out", type=Path, help="folder for the models and result.json")
    parser.add_argument("--max-drop", type=float, default=0.7, help="AP points, absolute")
    parser.add_argument("--time-limit", type=float, default=900, help="wall seconds; looked at before each image")
    parser.add_argument("--preset", choices=("performance", "mixed"), help="NNCF's choice when left out")
    return parser.parse_args()


def quantise(data: Handover, validation: Validation, arguments: argparse.Namespace) -> onnx.ModelProto:
    """NNCF's own search, on ONNX."""
    import nncf

    calibration = nncf.Dataset(range(len(data.calibration)), functools.partial(data.feeds, "calibration"))
    evaluation = nncf.Dataset(range(len(data.evaluation)), functools.partial(data.feeds, "evaluation"))
    found: onnx.ModelProto = nncf.quantize_with_accuracy_control(
        onnx.load(data.model),
        calibration,
        evaluation,
        validation,
        max_drop=arguments.max_drop,
        drop_type=nncf.DropType.ABSOLUTE,
        preset=nncf.QuantizationPreset(arguments.preset) if arguments.preset else None,
        advanced_accuracy_restorer_parameters=nncf.AdvancedAccuracyRestorerParameters(
            intermediate_model_dir=str(arguments.out)
        ),
    )
    return found


def told(validation: Validation, arguments: argparse.Namespace) -> dict[str, Any]:
    """Settings and what the validation function saw."""
    return {
        "tool": {name: version(name) for name in ("nncf", "onnx", "onnxruntime")},
        "max_drop": arguments.max_drop,
        "preset": arguments.preset or "default",
        "calibration_images": len(validation.data.calibration),
        "evaluation_images": len(validation.data.evaluation),
        "validation_calls": validation.calls,
        "single_image_calls": validation.single_calls,
        "images_run": validation.images,
        "float_ap": validation.float_ap,
        "int8_ap": validation.int8_ap,
    }


def ap_result(validation: Validation, value: float, max_drop: float) -> dict[str, Any]:
    """What the finished search reached, measured on the returned model itself."""
    drop = None if validation.float_ap is None else validation.float_ap - value
    return {
        "status": "reached" if drop is not None and drop <= max_drop else "fell short",
        "ap": value,
        "drop": drop,
    }


def structure(model: onnx.ModelProto, out: Path) -> dict[str, Any]:
    """Saves the model; which ops it has in 8 bits, and which of the first int8 model it put back to float."""
    path, first = out / "quantised.onnx", out / "int8.onnx"
    onnx.save(model, path)
    (out / "intermediate_model.onnx").replace(first)  # NNCF's own name for it
    before, after = quantised_ops(onnx.load(first)), quantised_ops(model)
    return {
        "model": str(path),
        "int8_model": str(first),
        "log": str(out / "nncf.log"),
        "int8_ops_before": len(before),
        "int8_ops": len(after),
        "reverted_ops": [name for name in before if name not in set(after)],
    }


def quantised_ops(model: onnx.ModelProto) -> list[str]:
    """Names of the ops that read an activation through a DequantizeLinear; a weight's does not count."""
    weights = {tensor.name for tensor in model.graph.initializer}
    through = set()
    for node in model.graph.node:  # in topological order; NNCF may keep weights in float, with a QuantizeLinear behind
        if node.op_type in _QUANTISERS and node.input[0] in weights:
            weights.update(node.output)
        elif node.op_type == "DequantizeLinear":
            through.update(node.output)
    ops = [node for node in model.graph.node if node.op_type not in _QUANTISERS]
    return [node.name for node in ops if through.intersection(node.input)]


def _log_to(path: Path) -> None:
    import nncf

    nncf.set_log_level(logging.INFO)
    handler = logging.FileHandler(path, mode="w", encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(relativeCreated)d ms %(message)s"))
    logging.getLogger("nncf").addHandler(handler)


if __name__ == "__main__":
    main()
