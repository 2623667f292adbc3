"""Reading through restorations that only join and multiply; everything else is computed."""

from __future__ import annotations

import numpy as np
import pytest

from edgewright.targets.artifact import PortSpec
from edgewright.tensors import Grid, TensorSpec
from tests.helpers import model_from_text
from tests.runtime.output_path.heads import ANCHORS, HEADS, assert_same, drawn, path_of, settings_of


def port(name, channels, kind="int8", scale=0.02):
    grid = None if kind.startswith("float") else Grid(kind, np.float32(scale), np.int64(0))
    return PortSpec(TensorSpec(name, kind, (1, channels, ANCHORS)), "", grid)


def restoration(body, inputs, **constants):
    ports = ", ".join(f"float[1,{channels},{ANCHORS}] {name}" for name, channels in inputs.items())
    return model_from_text(
        f"""<ir_version: 8, opset_import: ["" : 17]>
        g ({ports}) => (float[1,7,{ANCHORS}] o) {{ {body} }}""",
        **constants,
    )


FACTORS = np.array([128, 128, 128, 128, 1, 1, 1], np.float32).reshape(1, 7, 1)
JOINED = restoration("o = Concat <axis = 1> (b, s)", {"b": 4, "s": 3})
SCALED = restoration("o = Mul (x, f)", {"x": 7}, f=FACTORS)
BOTH = restoration("t = Mul (b, f) o = Concat <axis = -2> (t, s)", {"b": 4, "s": 3}, f=np.float32(128).reshape(1, 1, 1))
MOVED = restoration("t = Concat <axis = 1> (b, s) o = Sigmoid (t)", {"b": 4, "s": 3})


@pytest.mark.parametrize("kind", ["int8", "uint16", "float16", "float32"])
@pytest.mark.parametrize(
    ("restore", "outputs"), [(JOINED, {"b": 4, "s": 3}), (SCALED, {"x": 7}), (BOTH, {"b": 4, "s": 3})]
)
def test_joins_and_factors_are_read_through(restore, outputs, kind):
    head = HEADS["yolov8"][0]
    ports = [port(name, channels, kind) for name, channels in outputs.items()]
    path = path_of(head, ports, restore)
    assert path.fast, path.how
    found = [assert_same(path, drawn(ports, seed), settings_of(head, 0.3)) for seed in range(5)]
    assert max(found) > 0


def test_a_computed_restoration_is_computed():
    head = HEADS["yolov8"][0]
    ports = [port("b", 4), port("s", 3)]
    path = path_of(head, ports, MOVED)
    assert not path.fast
    assert "computed by the restoration" in path.how
    assert assert_same(path, drawn(ports, 0), settings_of(head, 0.6)) > 0


@pytest.mark.parametrize("bad", [np.float32([[[-1]]]), np.ones((1, 1, ANCHORS), np.float32), np.float32([[[np.inf]]])])
def test_factors_that_turn_or_differ_along_the_anchors_are_computed(bad):
    restore = restoration("o = Mul (x, f)", {"x": 7}, f=bad)
    assert not path_of(HEADS["yolov8"][0], [port("x", 7)], restore).fast


def test_a_part_in_two_outputs_is_computed():
    restore = restoration("o = Concat <axis = 1> (a, b)", {"a": 5, "b": 2})
    assert not path_of(HEADS["yolov8"][0], [port("a", 5), port("b", 2)], restore).fast
