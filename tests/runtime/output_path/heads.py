"""Heads of each family at a small size, ports of every kind for their outputs, and outputs to decode."""

from __future__ import annotations

from pathlib import Path

import numpy as np

import edgewright.tasks  # noqa: F401 - enters the families
from edgewright.data.contract import Contract, Placement
from edgewright.runtime.output_path.path import OutputPath
from edgewright.targets.artifact import Artifact, PortSpec
from edgewright.tasks.base import FAMILIES, DecodeSettings, Head
from edgewright.tensors import Grid, Part, TensorSpec

SIDE = 128
STRIDES = (8, 16, 32)
ANCHORS = sum((SIDE // stride) ** 2 for stride in STRIDES)  # 336: more than a block of the compiled loops
CONTRACT = Contract(input="image", width=SIDE, height=SIDE)
PLACE = Placement(0.5, 0.5, 0.0, 16.0, 256, 192)
CODES = ("int8", "uint8", "int16", "uint16")
TYPES = (*CODES, "float16", "float32")


def yolov8(nc=3, axis=1):
    parts = (Part("boxes", "o", axis, 0, 4, "boxes", axis), Part("scores", "o", axis, 4, None, "probability", axis))
    shape = (1, 4 + nc, ANCHORS) if axis == 1 else (1, ANCHORS, 4 + nc)
    return Head("yolov8", "detection", parts, {"axis": axis, "nc": nc, "strides": list(STRIDES)}), {"o": shape}


def yolox(nc=3, axis=2, sigmoid=True, decoded=False):
    kind = "probability" if sigmoid else "logits"
    parts = (
        Part("boxes", "o", axis, 0, 4, "other", axis),
        Part("objectness", "o", axis, 4, 5, kind, axis),
        Part("scores", "o", axis, 5, None, kind, axis),
    )
    params = {"axis": axis, "nc": nc, "strides": list(STRIDES), "sigmoid": sigmoid, "decoded": decoded}
    shape = (1, ANCHORS, 5 + nc) if axis == 2 else (1, 5 + nc, ANCHORS)
    return Head("yolox", "detection", parts, params), {"o": shape}


def raw(nc=3, bins=16, joined=False, sigmoid=False):
    parts, shapes = [], {}
    for stride in STRIDES:
        boxes, scores = (f"j{stride}",) * 2 if joined else (f"b{stride}", f"s{stride}")
        start = 4 * bins if joined else 0
        parts += [
            Part(f"boxes_{stride}", boxes, 1, 0, 4 * bins if joined else None, "logits"),
            Part(f"scores_{stride}", scores, 1, start, None, "probability" if sigmoid else "logits"),
        ]
        side = SIDE // stride
        sizes = {f"j{stride}": 4 * bins + nc} if joined else {f"b{stride}": 4 * bins, f"s{stride}": nc}
        shapes |= {name: (1, size, side, side) for name, size in sizes.items()}
    params = {"nc": nc, "bins": bins, "strides": list(STRIDES), "sigmoid": sigmoid}
    return Head("yolov8-raw", "detection", tuple(parts), params), shapes


def fastestdet(nc=3):
    parts = (
        Part("objectness", "o", 1, 0, 1, "probability"),
        Part("boxes", "o", 1, 1, 5, "other"),
        Part("scores", "o", 1, 5, None, "probability"),
    )
    return Head("fastestdet", "detection", parts, {"nc": nc}), {"o": (1, 5 + nc, SIDE // 16, SIDE // 16)}


def ssd(nc=3):
    parts = (Part("scores", "s", 2, 0, None, "probability", 2), Part("boxes", "b", 2, 0, None, "boxes", 2))
    return Head("ssd", "detection", parts, {"nc": nc}), {"s": (1, ANCHORS, 1 + nc), "b": (1, ANCHORS, 4)}


def corner_rows(family="ppyoloe", nc=3, joined=False):
    if joined:
        parts = (Part("boxes", "o", 2, 0, 4, "boxes", 2), Part("scores", "o", 2, 4, None, "probability", 2))
        shapes = {"o": (1, ANCHORS, 4 + nc)}
    else:
        parts = (Part("boxes", "b", 2, 0, None, "boxes", 2), Part("scores", "s", 1, 0, None, "probability", 1))
        shapes = {"b": (1, ANCHORS, 4), "s": (1, nc, ANCHORS)}
    return Head(family, "detection", parts, {"nc": nc, "strides": list(STRIDES)}), shapes


def queries(nc=3, sigmoid=False):
    kind = "probability" if sigmoid else "logits"
    parts = (Part("boxes", "b", 2, 0, None, "boxes", 2), Part("scores", "s", 2, 0, None, kind, 2))
    return Head("rtdetr", "detection", parts, {"nc": nc, "sigmoid": sigmoid}), {"b": (1, 300, 4), "s": (1, 300, nc)}


HEADS = {
    "yolov8": yolov8(),
    "yolov8 transposed": yolov8(axis=2),
    "yolov8 one class": yolov8(nc=1),
    "yolox": yolox(),
    "yolox channels first": yolox(axis=1),
    "yolox logits": yolox(sigmoid=False),
    "yolox decoded": yolox(decoded=True),
    "raw": raw(),
    "raw joined": raw(joined=True),
    "raw sigmoid": raw(sigmoid=True),
    "raw one bin": raw(bins=1),
    "fastestdet": fastestdet(),
    "ssd": ssd(),
    "ppyoloe": corner_rows(),
    "ppyoloe joined": corner_rows(joined=True),
    "picodet": corner_rows("picodet"),
    "rtdetr": queries(),
    "rtdetr sigmoid": queries(sigmoid=True),
}


def axis_of(head, name):
    return next(part.axis for part in head.parts if part.output == name)


def ports(head, shapes, kind, scale=0.02, zero=None, per_channel=False):
    """The boundary of an artifact whose outputs are all of one kind."""
    found = []
    for name, shape in shapes.items():
        grid = None
        if kind in CODES:
            info = np.iinfo(kind)
            middle = (int(info.min) + int(info.max) + 1) // 2 if zero is None else zero
            step = scale if info.bits == 8 else scale / 256
            if per_channel:
                axis = axis_of(head, name)
                steps = step * np.linspace(0.5, 2, shape[axis]).astype(np.float32)
                grid = Grid(kind, steps, np.full(shape[axis], middle) + np.arange(shape[axis]) % 3, axis)
            else:
                grid = Grid(kind, np.float32(step), np.int64(middle))
        found.append(PortSpec(TensorSpec(name, kind, shape), "", grid))
    return tuple(found)


def artifact(outputs):
    return Artifact("fake/chip", "int8", ("m",), Path(), (), tuple(outputs), {}, "")


def path_of(head, outputs, restore=None, contract=CONTRACT, names=()):
    family = FAMILIES.get(head.family)
    return OutputPath(artifact(outputs), head, family, contract, names, restore)


def drawn(outputs, seed, spread=0.15):
    """Outputs at random: codes around the zero point, floats around 0, a few of them large."""
    random = np.random.default_rng(seed)
    found = {}
    for port in outputs:
        shape, kind = port.spec.shape, np.dtype(port.spec.dtype)
        values = random.normal(0, spread, shape) + (random.random(shape) < 0.02)
        if port.grid is not None:
            info = np.iinfo(kind)
            middle = (int(info.min) + int(info.max)) / 2
            found[port.spec.name] = np.clip(middle + values * 100 * 2 ** (info.bits - 8), info.min, info.max).astype(
                kind
            )
        else:
            found[port.spec.name] = (values * 3).astype(kind)
    return found


def settings_of(head, confidence, **changes):
    return DecodeSettings(**{"confidence": confidence, "iou": 0.6, "max_results": 100, **changes})


def bits(found):
    """A result as bytes, signs of zeros and all."""
    return found.xyxy.tobytes(), found.scores.tobytes(), found.class_ids.tobytes()


def assert_same(path, outputs, settings):
    """The fast way gives what the plain way gives; the number of detections."""
    expected = path.plain(outputs, PLACE, settings)
    found = path(outputs, PLACE, settings)
    assert bits(found) == bits(expected)
    return len(expected)
