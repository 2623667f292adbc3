"""Reports with everything that a page can meet: good and bad runs, hostile names, missing figures."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from edgewright.findings import Finding, Severity
from edgewright.report.picture import Picture
from edgewright.tensors import Part
from edgewright.verify.results import Latency, Metric, PartError, RunReport, StageTime, Variant, Verdict

HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)> {{7*7}} {% raw %} \x1b[31m\u202e</style>"


def parts(boxes: float, scores: float | None, seed: int = 0) -> tuple[PartError, ...]:
    def error(name: str, size: float | None, count: int) -> PartError:
        if size == 0:
            return PartError(name, 1.0, 0.0, None, 0.0, (0.0,) * count)
        spread = np.exp(np.random.default_rng(seed).normal(0, 0.9, count)) * (size or 1.0)
        channels = tuple(float(v) for v in spread)
        sqnr = None if size is None else -20 * math.log10(size)
        return PartError(name, max(1 - (size or 1.0) ** 2 / 2, 0.0), size, sqnr, size and 640 * size, channels)

    return (error("boxes", boxes, 4), error("scores", scores, 80), error("distances", boxes * 3, 64))


def findings() -> tuple[Finding, ...]:
    return (
        Finding("EW104", Severity.INFO, "images", "Dimension batch of input images was set to 1."),
        Finding("EW104", Severity.INFO, "images", "Dimension height of input images was set to 640."),
        Finding("EW104", Severity.INFO, "images", "Dimension width of input images was set to 640."),
        Finding("EW104", Severity.INFO, "mask", "Dimension batch of input mask was set to 1."),
        Finding(
            "EW203",
            Severity.WARNING,
            "calibration",
            "Only 12 images set the ranges",
            {"images": 12},
            "Pass more with --calibration.",
        ),
        Finding(
            "EW301",
            Severity.ERROR,
            "/model.22/Concat_3",
            "/model.22/Concat_3 joins boxes (0..638) and scores (0..1) on one 8-bit grid of step 2.5: 8397 of 8400 "
            "anchors lose their score.",
            {"step": 2.5, "anchors": 8400, "lost": 8397, "ranges": {"boxes": [0.0, 638.2], "scores": [0.0, 0.97]}},
            "Boxes are now divided by 640 in the graph and multiplied back when decoding (exact).",
        ),
        Finding("EW501", Severity.WARNING, "int8", "int8 takes 0.9 of the time of float", {"ratio": 0.9}),
    )


def rich_report() -> RunReport:
    details = {"AP50": 61.8, "AP75": 47.9, "AP by class": {"person": 52.1, "bicycle": 29.4, "traffic light": 25.0}}
    float_metric = Metric("AP", 44.3, 64, details=details)
    cpu = "onnxruntime 1.31.1 cpu"
    tail_ops = {"int8": 214, "float": 31}
    return RunReport(
        verdict=Verdict(
            "passed",
            "onnxruntime/cpu",
            "int8, boxes rescaled",
            "int8 with rescaled boxes keeps AP within 0.3 of the float model's 44.3 and runs 1.9 times as fast.",
        ),
        variants=(
            Variant(
                "float", cpu, "float", float_metric, None, parts(0, 0), Latency(41.2, 44.0, "measured", 30), "reference"
            ),
            Variant(
                "int8",
                cpu,
                "int8",
                replace(float_metric, value=39.1, details={**details, "AP50": 55.0}),
                5.2,
                parts(8.1e-3, 0.94, 1),
                Latency(20.9, 22.5, "measured", 30, "interleaved with float"),
                "failed",
                ("AP falls by 5.2 points, more than the limit of 1.0", "scores have a relative L2 error of 0.94"),
                {"int8": 245},
                "9f" * 32,
            ),
            Variant(
                "int8, boxes rescaled",
                cpu,
                "int8",
                replace(float_metric, value=44.0),
                0.3,
                parts(7.9e-3, 2.1e-2, 2),
                Latency(21.6, 23.1, "measured", 30, "interleaved with float"),
                "passed",
                (),
                tail_ops,
                "1c" * 32,
            ),
            Variant("int8 on the board", "-", "int8", None, None, (), None, "failed", ("the board did not answer",)),
        ),
        findings=findings(),
        model={
            "name": "yolov8n.onnx",
            "digest": "4be1" * 16,
            "opset": 17,
            "inputs": [{"name": "images", "dtype": "float32", "shape": [1, 3, 640, 640]}],
            "outputs": [{"name": "output0", "dtype": "float32", "shape": [1, 84, 8400]}],
        },
        head={
            "family": "yolov8",
            "task": "detection",
            "params": {"classes": 80, "strides": [8, 16, 32], "reg_max": 16},
            "evidence": "One output of 4 + 80 rows over 8400 anchors, with a softmax over 16 distance bins before it.",
            "parts": [
                Part("boxes", "output0", 1, 0, 4, "boxes").to_json(),
                Part("scores", "output0", 1, 4, None, "probability").to_json(),
            ],
        },
        contract={
            "input": "images",
            "width": 640,
            "height": 640,
            "colour": "RGB",
            "resize": "letterbox",
            "pad_value": 114,
            "mean": [0.0, 0.0, 0.0],
            "std": [255.0, 255.0, 255.0],
            "layout": "NCHW",
            "dtype": "float32",
        },
        data={
            "max_drop": 1.0,
            "evaluation": {"images": 64, "labels": "val.json"},
            "calibration": {"images": 32, "observer": "mse"},
        },
        stages={
            "onnx": parts(0, 0),
            "prepared": parts(2.1e-7, 1.8e-7, 3),
            "float artifact": parts(4.4e-7, 3.9e-7, 4),
            "int8 artifact": parts(8.1e-3, 0.94, 1),
        },
        regions={"stem": 6, "backbone": 132, "neck": 71, "head": 48, "tail": 31},
        profile=(
            StageTime("prepare", 1.8, 1.7, True),
            StageTime("build float", 0.9, 0.9),
            StageTime("calibrate", 6.2, 20.4),
            StageTime("verify", 21.0, 63.8),
            StageTime("diagnose", 9.4, 14.0),
            StageTime("pack", 0.2, 0.1),
        ),
        settings={"target": "onnxruntime/cpu", "quantise": {"observer": "mse", "seed": None}},
        provenance={
            "time": "2025-11-21 03:50 UTC",
            "edgewright": "0.1.0",
            "command": "edgewright deploy yolov8n.onnx --images val",
            "libraries": {"onnxruntime": "1.31.1", "onnx": "1.19.0"},
            "host": {"machine": "x86_64", "cpu": "Xeon"},
        },
    )


def hostile_report() -> RunReport:
    good = rich_report()
    wild = PartError(HOSTILE, math.nan, None, None, math.inf, (None, 0.5, math.nan, -1.0))
    metric = Metric(HOSTILE, math.nan, 0, details={HOSTILE: {HOSTILE: math.inf}})
    latency = Latency(math.inf, math.nan, HOSTILE, 0, HOSTILE)
    return replace(
        good,
        verdict=Verdict("failed", HOSTILE, "", HOSTILE),
        variants=(
            Variant(
                HOSTILE,
                HOSTILE,
                "int8",
                metric,
                math.nan,
                (wild,),
                latency,
                "failed",
                (HOSTILE,),
                {HOSTILE: 1},
                HOSTILE,
            ),
            Variant("\u91cf\u5316 int8", "", "int8", None, None, (), None, "passed"),
        ),
        findings=tuple(
            Finding(
                "EW406", Severity.ERROR, HOSTILE, f"{HOSTILE} {i}", {HOSTILE: [HOSTILE, math.nan], "n": {}}, HOSTILE
            )
            for i in range(300)
        ),
        model={"name": HOSTILE, "inputs": [{"name": HOSTILE, "dtype": "float32", "shape": [None, 3]}]},
        head={"family": HOSTILE, "task": HOSTILE, "parts": [{"name": HOSTILE, "output": HOSTILE}], "evidence": HOSTILE},
        contract={HOSTILE: HOSTILE},
        data={},
        stages={HOSTILE: (wild,), "b" * 300: (wild, PartError("zero", 1.0, 0.0, None, 0.0))},
        regions={HOSTILE: 0},
        profile=(StageTime(HOSTILE, 0.0, 0.0),),
        settings={"list": [None, HOSTILE]},
        provenance={"command": HOSTILE},
    )


def empty_report() -> RunReport:
    return RunReport(Verdict("failed", "a/b", "", "Nothing ran."), (), (), {}, {}, {}, {}, {}, {}, (), {}, {})


def tensors_report() -> RunReport:
    """An unknown head: no task metric, the verdict rests on tensors."""
    metric = Metric("relative L2", 0.0131, 16, higher_is_better=False)
    variants = (
        Variant("float", "onnxruntime 1.31.1 cpu", "float", replace(metric, value=2e-7), None, (), None, "reference"),
        Variant("int8", "emulated", "int8", metric, -0.0131, parts(0.0131, 0.004), None, "passed"),
    )
    return replace(
        rich_report(), variants=variants, head={}, verdict=Verdict("passed", "a/b", "int8", "Within limits.")
    )


@pytest.fixture
def passed() -> RunReport:
    return rich_report()


@pytest.fixture
def hostile() -> RunReport:
    return hostile_report()


@pytest.fixture
def empty() -> RunReport:
    return empty_report()


@pytest.fixture
def unknown_head() -> RunReport:
    return tensors_report()


@pytest.fixture
def picture() -> Picture:
    noise = np.random.default_rng(0).integers(0, 255, (480, 900, 3), np.uint8)
    return Picture.from_arrays("a.jpg", "3 of 4 objects found", [("float", noise), ("int8", noise[:, :, 0])])
