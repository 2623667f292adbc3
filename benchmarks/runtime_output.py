"""What it costs to get from a runtime's outputs to a result, beside the plain ways and the memory's own speed.

    python benchmarks/runtime_output.py [--json]

Each row is the whole call of `OutputPath`: from the codes that the runtime gave to boxes or points in the image. One
thread; CPU time of the thread, median of 41 rounds of 5; the ratio is the median of the ratios to a copy of the same
output bytes (`np.copyto`) in the same round. The plain ways take turns with it, a call a round. Every form must find
the same boxes or points. `supervision` is measured where it is installed. Exit status 1 if a limit does not hold.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import json
import os
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np

import edgewright.tasks  # noqa: F401 - enters the head families
from edgewright.data.contract import Contract, Placement
from edgewright.kernels.choice import SWITCH, loops
from edgewright.runtime.output_path.path import OutputPath
from edgewright.targets.artifact import Artifact, PortSpec
from edgewright.tasks.base import FAMILIES, DecodeSettings, Head
from edgewright.tasks.detection.nms import nms
from edgewright.tensors import Grid, Part, TensorSpec

ROUNDS, INNER = 41, 5
SIDE, CLASSES, OBJECTS, CANDIDATES = 640, 80, 32, 248
BOXES = DecodeSettings(0.25, 0.45)
POINTS = DecodeSettings(0.015, 4, max_results=1000)
Call = Callable[[], Any]


@dataclass
class Work:
    """What is measured: the package's call, the plain ways, and what must hold.

    Attributes:
        copied: arrays whose copy is the unit.
        limit: largest ratio to that copy, or None.
        micros: largest time, microseconds, or None.
        gain: smallest ratio of the fastest plain way's time to ours, or None.
        rounds: of the plain ways.
    """

    title: str
    ours: Call
    plain: dict[str, Call]
    copied: list[Any]
    limit: float | None = None
    micros: float | None = None
    gain: float | None = None
    rounds: int = ROUNDS  # of the plain ways
    rows: dict[str, float] = field(default_factory=dict)
    ratio: float = 0.0


def scene(random: Any, anchors: Any) -> tuple[Any, Any, Any]:
    """Boxes (n, 4) as cx, cy, w, h, classes and scores of candidates around objects, one for each anchor."""
    side = 8
    places = random.choice(side * side, OBJECTS, replace=False)
    centre = (np.stack([places % side, places // side], axis=1) + 0.5) * SIDE / side
    size, kind = random.uniform(50, 70, (OBJECTS, 2)), random.integers(0, CLASSES, OBJECTS)
    of = np.arange(len(anchors)) % OBJECTS
    boxes = np.concatenate([centre[of] + random.normal(0, 1.5, (len(of), 2)), size[of]], axis=1)
    return boxes, kind[of], random.uniform(0.3, 0.95, len(of))


def path_of(head: Head, outputs: list[PortSpec], contract: Contract) -> OutputPath:
    artifact = Artifact("benchmark/none", "int8", ("m",), Path(), (), tuple(outputs), {}, "")
    return OutputPath(artifact, head, FAMILIES.get(head.family), contract)


def port(name: str, shape: tuple[int, ...], grid: Grid) -> PortSpec:
    return PortSpec(TensorSpec(name, "int8", shape), "", grid)


def greedy(boxes: Any, scores: Any, kinds: Any) -> Any:
    """NMS in NumPy as it is usually written; classes are told apart by an offset."""
    moved = boxes + kinds[:, None] * 4096.0
    area = (moved[:, 2] - moved[:, 0]) * (moved[:, 3] - moved[:, 1])
    order, kept = np.argsort(-scores, kind="stable"), []
    while len(order):
        first, rest = order[0], order[1:]
        kept.append(first)
        low, high = np.maximum(moved[first, :2], moved[rest, :2]), np.minimum(moved[first, 2:], moved[rest, 2:])
        inter = np.maximum(high - low, 0).prod(axis=1)
        order = rest[inter / (area[first] + area[rest] - inter) <= BOXES.iou]
    return np.array(kept, int)


def opencv(boxes: Any, scores: Any, kinds: Any) -> Any:
    corner = np.concatenate([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], axis=1)
    return cv2.dnn.NMSBoxesBatched(corner.tolist(), scores.tolist(), kinds.tolist(), BOXES.confidence, BOXES.iou)


def supervised(boxes: Any, scores: Any, kinds: Any) -> Any:
    supervision = importlib.import_module("supervision")
    return supervision.Detections(xyxy=boxes, confidence=scores, class_id=kinds).with_nms(BOXES.iou)


def suppressions() -> dict[str, Callable[[Any, Any, Any], Any]]:
    found = {"NumPy": greedy, "OpenCV": opencv}
    if importlib.util.find_spec("supervision"):
        found["supervision"] = supervised
    return found


def corners(boxes: Any) -> Any:
    return np.concatenate([boxes[:2] - boxes[2:] / 2, boxes[:2] + boxes[2:] / 2]).T


def flat_head() -> Work:
    """YOLOv8, decoded in the graph: boxes and scores in one output, each on a grid of its own."""
    random = np.random.default_rng(0)
    anchors = random.choice(8400, CANDIDATES, replace=False)
    boxes, kinds, scores = scene(random, anchors)
    values = np.zeros((84, 8400), np.float32)
    values[:4], values[4:] = random.uniform(0, SIDE, (4, 8400)), random.random((CLASSES, 8400)) ** 4 * 0.2
    values[:4, anchors], values[4 + kinds, anchors] = boxes.T, scores
    scale = np.repeat(np.array([SIDE / 255, 1 / 255], np.float32), [4, CLASSES])
    grid = Grid("int8", scale, np.full(84, -128), 1)
    codes = grid.quantise(values[None])
    parts = (Part("boxes", "o", 1, 0, 4), Part("scores", "o", 1, 4))
    head = Head("yolov8", "detection", parts, {"axis": 1, "nc": CLASSES, "strides": [8, 16, 32]})
    path = path_of(head, [port("o", codes.shape, grid)], Contract(input="x", width=SIDE, height=SIDE))
    zero = np.full((84, 1), -128, np.float32)

    def plain(suppress: Callable[[Any, Any, Any], Any]) -> Call:
        def run() -> Any:
            real = (codes[0].astype(np.float32) - zero) * scale[:, None]
            best, kind = real[4:].max(axis=0), real[4:].argmax(axis=0)
            chosen = best >= BOXES.confidence
            found = corners(real[:4, chosen])
            return (
                found[suppress(found, best[chosen], kind[chosen])]
                if suppress is not supervised
                else suppress(found, best[chosen], kind[chosen])
            )

        return run

    forms = {f"dequantise all, NMS {name}": plain(one) for name, one in suppressions().items()}
    title = f"YOLOv8 84x8400 int8, {CANDIDATES} candidates"
    return Work(title, call(path, {"o": codes}, BOXES), forms, [codes], limit=4.0)


def raw_heads() -> Work:
    """Six maps of a YOLOv8 cut before its decoding."""
    random = np.random.default_rng(1)
    logits, sides = Grid("int8", np.float32(0.09), np.int64(40)), Grid("int8", np.float32(0.08), np.int64(-20))
    parts, ports, outputs, first = [], [], {}, 0
    anchors = np.sort(random.choice(8400, CANDIDATES, replace=False))
    boxes, kinds, scores = scene(random, anchors)
    for stride in (8, 16, 32):
        width = SIDE // stride
        mine = (anchors >= first) & (anchors < first + width * width)
        cells = anchors[mine] - first
        box = random.normal(0, 1.5, (64, width * width)).astype(np.float32)
        score = random.normal(-8, 1.2, (CLASSES, width * width)).astype(np.float32)
        score[kinds[mine], cells] = np.log(scores[mine] / (1 - scores[mine]))
        centre = np.stack([cells % width, cells // width]) + 0.5
        half = boxes[mine].T[2:] / 2
        distance = np.concatenate(
            [centre * stride - boxes[mine].T[:2] + half, boxes[mine].T[:2] + half - centre * stride]
        )
        bins = np.arange(16)[None, :, None]
        box[:, cells] = (-2 * (bins - np.clip(distance / stride, 0, 15)[:, None]) ** 2).clip(-8).reshape(64, -1)
        for name, values, grid in ((f"b{stride}", box, sides), (f"s{stride}", score, logits)):
            outputs[name] = grid.quantise(values.reshape(1, -1, width, width))
            ports.append(port(name, outputs[name].shape, grid))
        parts += [Part(f"boxes_{stride}", f"b{stride}"), Part(f"scores_{stride}", f"s{stride}")]
        first += width * width
    head = Head(
        "yolov8-raw", "detection", tuple(parts), {"nc": 80, "bins": 16, "strides": [8, 16, 32], "sigmoid": False}
    )
    path = path_of(head, ports, Contract(input="x", width=SIDE, height=SIDE))

    def plain(suppress: Callable[[Any, Any, Any], Any]) -> Call:
        def run() -> Any:
            found, best, kind = [], [], []
            for stride in (8, 16, 32):
                box = (outputs[f"b{stride}"][0].astype(np.float32) + 20) * np.float32(0.08)
                score = 1 / (1 + np.exp(-(outputs[f"s{stride}"][0].astype(np.float32) - 40) * np.float32(0.09)))
                powers = np.exp(box.reshape(4, 16, -1))
                distance = (powers / powers.sum(axis=1, keepdims=True) * np.arange(16, dtype=np.float32)[:, None]).sum(
                    1
                )
                width = SIDE // stride
                centre = np.stack(np.meshgrid(np.arange(width), np.arange(width))).reshape(2, -1) + np.float32(0.5)
                found.append(np.concatenate([centre - distance[:2], centre + distance[2:]]).T * stride)
                flat = score.reshape(CLASSES, -1)
                best.append(flat.max(axis=0))
                kind.append(flat.argmax(axis=0))
            xyxy, top, kinds = np.concatenate(found), np.concatenate(best), np.concatenate(kind)
            chosen = top >= BOXES.confidence
            xyxy, top, kinds = xyxy[chosen], top[chosen], kinds[chosen]
            return suppress(xyxy, top, kinds) if suppress is supervised else xyxy[suppress(xyxy, top, kinds)]

        return run

    forms = {f"dequantise all, NMS {name}": plain(one) for name, one in suppressions().items()}
    title = f"six raw heads with DFL, int8, {CANDIDATES} candidates"
    return Work(title, call(path, outputs, BOXES), forms, list(outputs.values()), limit=5.0)


def suppression(count: int, micros: float) -> Work:
    """NMS alone."""
    random = np.random.default_rng(2)
    rows, kinds, scores = scene(random, np.arange(count))
    boxes, scores = corners(rows.T).astype(np.float32), scores.astype(np.float32)
    if count > CANDIDATES:  # boxes anywhere, of which most stay
        corner = random.uniform(0, SIDE - 90, (count, 2))
        boxes = np.concatenate([corner, corner + random.uniform(20, 90, (count, 2))], axis=1).astype(np.float32)
        kinds = random.integers(0, CLASSES, count)
    forms = {name: lambda one=one: one(boxes, scores, kinds) for name, one in suppressions().items()}
    if count > CANDIDATES:
        forms.pop("supervision", None)  # a matrix of all pairs: 10 000 boxes take 400 MB
    most = 300 if count <= CANDIDATES else count
    rounds = ROUNDS if count <= CANDIDATES else 1  # which take seconds

    def ours() -> Any:
        return nms(boxes, scores, kinds, BOXES.iou, most)

    return Work(f"NMS alone, {count} boxes", ours, forms, [boxes], micros=micros, rounds=rounds)


def superpoint() -> Work:
    """Point map and descriptor map of a SuperPoint at 400 x 640."""
    random = np.random.default_rng(3)
    semi = random.normal(-4, 1.2, (65, 50, 80)).astype(np.float32)
    semi[64] = random.normal(7, 1, (50, 80))
    spots = random.integers(0, 64, 2600), random.integers(0, 50, 2600), random.integers(0, 80, 2600)
    semi[spots] += random.uniform(4, 13, 2600).astype(np.float32)
    grids = {"semi": Grid("int8", np.float32(0.14), np.int64(20)), "desc": Grid("int8", np.float32(0.03), np.int64(3))}
    values = {"semi": semi, "desc": random.normal(0, 1, (256, 50, 80)).astype(np.float32)}
    outputs = {name: grids[name].quantise(array[None]) for name, array in values.items()}
    parts = (Part("keypoint scores", "semi"), Part("descriptors", "desc"))
    head = Head("superpoint", "keypoints", parts, {"softmax": False, "descriptor_size": 256})
    contract = Contract(input="x", width=640, height=400, colour="GRAY", mean=(0.0,), std=(255.0,))
    path = path_of(head, [port(name, outputs[name].shape, grids[name]) for name in outputs], contract)
    ours = call(path, outputs, POINTS)

    def plain() -> Any:
        real = {name: (outputs[name][0].astype(np.float32) - int(g.zero_point)) * g.scale for name, g in grids.items()}
        powers = np.exp(real["semi"] - real["semi"].max(axis=0))
        heat = (powers / powers.sum(axis=0))[:-1].reshape(8, 8, 50, 80).transpose(2, 0, 3, 1).reshape(400, 640)
        heat = np.where(heat >= POINTS.confidence, heat, 0)
        # the published suppression: points in order, each clearing its window
        rows, columns = np.nonzero(heat)
        taken, kept = np.zeros((408, 648), bool), []
        for place in np.argsort(-heat[rows, columns], kind="stable"):
            y, x = rows[place], columns[place]
            if not taken[y + 4, x + 4]:
                taken[y : y + 9, x : x + 9] = True
                if 4 <= y < 396 and 4 <= x < 636:
                    kept.append((x, y))
        xy = np.array(kept[: POINTS.max_results], np.float32)
        place = np.clip((xy + 0.5) / 8 - 0.5, 0, [79, 49])
        low = np.minimum(place.astype(int), [78, 48])
        (x, y), (right, down) = low.T, (place - low).T.astype(np.float32)
        desc = real["desc"]
        upper = desc[:, y, x] * (1 - right) + desc[:, y, x + 1] * right
        lower = desc[:, y + 1, x] * (1 - right) + desc[:, y + 1, x + 1] * right
        found = (upper * (1 - down) + lower * down).T
        return xy, found / np.linalg.norm(found, axis=1, keepdims=True)

    def with_descriptors() -> Any:
        found = ours()
        return found.xy, found.descriptors

    forms = {"NumPy, dequantise all": plain}
    title = "SuperPoint 400x640 int8 to 1000 points with descriptors"
    return Work(title, with_descriptors, forms, list(outputs.values()), gain=20.0)


def call(path: OutputPath, outputs: dict[str, Any], settings: DecodeSettings) -> Call:
    place = Placement(1.0, 1.0, 0.0, 0.0, 640, 640)
    return lambda: path(outputs, place, settings)


def check(work: Work) -> None:
    """All forms find the same."""
    ours = work.ours()
    for name, form in work.plain.items():
        theirs = form()
        if isinstance(ours, tuple):
            np.testing.assert_array_equal(ours[0], theirs[0], err_msg=name)
            np.testing.assert_allclose(ours[1], theirs[1], atol=1e-5, err_msg=name)
            continue
        found = ours if isinstance(ours, np.ndarray) else ours.xyxy
        others = theirs.xyxy if hasattr(theirs, "xyxy") else np.asarray(theirs)
        if len(found) != len(others):
            raise SystemExit(f"{work.title}: {len(found)} found, {name} finds {len(others)}")


def measure(work: Work) -> None:
    """Fill `rows`, microseconds by form, and the ratio to a copy."""
    forms = {"copy": lambda: [np.copyto(a, b) for a, b in zip(into, work.copied, strict=True)], "edgewright": work.ours}
    into = [np.empty_like(array) for array in work.copied]
    times: dict[str, list[float]] = {name: [] for name in [*forms, *work.plain]}
    for number in range(ROUNDS):
        for name, form in forms.items():
            times[name].append(spent(form, INNER))
        for name, form in work.plain.items() if number < work.rounds else ():
            times[name].append(spent(form, 1))
    work.rows = {name: statistics.median(found) for name, found in times.items()}
    work.ratio = statistics.median(a / b for a, b in zip(times["edgewright"], times["copy"], strict=True))
    os.environ[SWITCH] = "off"
    loops.cache_clear()
    work.ours()
    work.rows["edgewright without compiler"] = statistics.median(
        spent(work.ours, 1) for _ in range(min(work.rounds, 9))
    )
    del os.environ[SWITCH]
    loops.cache_clear()


def spent(form: Call, inner: int) -> float:
    form()
    start = time.thread_time()
    for _ in range(inner):
        form()
    return (time.thread_time() - start) / inner * 1e6


def verdicts(work: Work) -> list[tuple[str, bool]]:
    ours = work.rows["edgewright"]
    best = min(work.rows[name] for name in work.plain)
    found = []
    if work.limit is not None:
        found.append((f"{work.ratio:.2f}x a copy, must be at most {work.limit:g}x", work.ratio <= work.limit))
    if work.micros is not None:
        found.append((f"{ours:.1f} us, must be at most {work.micros:g} us", ours <= work.micros))
    if work.gain is not None:
        found.append((f"{best / ours:.1f}x faster than plain, must be {work.gain:g}x", best / ours >= work.gain))
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    as_json = parser.parse_args().json
    cv2.setNumThreads(1)
    works = [flat_head(), raw_heads(), suppression(CANDIDATES, 26.0), suppression(10_000, 5000.0), superpoint()]
    for work in works:
        check(work)
        measure(work)
        if not as_json:
            print(work.title)
            for name, micros in work.rows.items():
                print(f"  {name:<36}{micros:>10.1f} us{micros / work.rows['copy']:>9.1f}x")
            for text, holds in verdicts(work):
                print(f"  {'holds' if holds else 'MISSED'}: {text}")
    if as_json:
        print(
            json.dumps([{"title": w.title, "micros": w.rows, "ratio": w.ratio, "limits": verdicts(w)} for w in works])
        )
    return 0 if all(holds for work in works for _, holds in verdicts(work)) else 1


if __name__ == "__main__":
    sys.exit(main())
