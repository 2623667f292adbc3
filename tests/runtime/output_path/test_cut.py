"""A decode tail on the host, decoded by a family in its place: only where it gives the same detections."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from edgewright.data.contract import Contract, Placement
from edgewright.graph.io import load_model
from edgewright.graph.model import Model
from edgewright.graph.reference import ReferenceSession, random_feeds
from edgewright.graph.rewrites import RewriteContext, apply_rewrite
from edgewright.runtime.output_path.path import OutputPath
from edgewright.targets.artifact import Artifact, PortSpec
from edgewright.tasks.base import FAMILIES, DecodeSettings
from edgewright.tensors import Grid

DEMO = Path(__file__).resolve().parents[3] / "demo" / "detector.onnx"
PLACE = Placement(1.0, 1.0, 0.0, 0.0, 512, 512)
SETTINGS = DecodeSettings(confidence=0.1, iou=0.7)


@pytest.fixture(scope="module")
def cut():
    """The demo detector without its tail, the tail, what its outputs mean, and outputs with objects in them."""
    model = load_model(DEMO)
    feeds = random_feeds(model.inputs)
    found = apply_rewrite("cut-tail", model, RewriteContext({}, frozenset()), [feeds])
    assert found is not None
    head = FAMILIES.get("yolov8").recognise(model)
    assert head is not None
    outputs = ReferenceSession(found.model.data)(feeds)
    generator = np.random.default_rng(0)
    for values in outputs.values():
        if values.shape[1] == 5:  # class logits: some cells see something
            values += np.where(generator.random(values.shape) < 0.004, 8.0, 0.0).astype(np.float32)
    return found, head, outputs


def path_of(cut, samples, *, grids=None, restore=None, head=None):
    found, told, _ = cut
    ports = tuple(PortSpec(spec, "", (grids or {}).get(spec.name)) for spec in found.model.outputs)
    if grids:
        ports = tuple(
            dataclasses.replace(port, spec=dataclasses.replace(port.spec, dtype=port.grid.dtype)) for port in ports
        )
    artifact = Artifact("a/b", "x", Path(), (), (), ports, {}, {}, "")
    contract = Contract(input="images", width=512, height=512)
    family = FAMILIES.get("yolov8")
    return OutputPath(artifact, head or told, family, contract, (), restore or found.restore, samples=samples)


def assert_alike(path, outputs):
    ours, plain = path(outputs, PLACE, SETTINGS), path.plain(outputs, PLACE, SETTINGS)
    assert len(ours) == len(plain) > 3
    np.testing.assert_allclose(np.sort(ours.scores), np.sort(plain.scores), atol=1e-5)
    np.testing.assert_allclose(np.sort(ours.xyxy, axis=0), np.sort(plain.xyxy, axis=0), atol=1e-2)


def test_raw_heads_are_decoded_in_place_of_the_restoration(cut):
    outputs = cut[2]
    path = path_of(cut, [outputs])
    assert path.fast
    assert "the decode tail as yolov8-raw" in path.how
    assert_alike(path, outputs)
    assert_alike(path, {name: np.roll(values, 7, axis=3) for name, values in outputs.items()})


def test_codes_are_decoded_as_they_lie(cut):
    outputs = cut[2]
    grids = {
        name: Grid("int8", np.float32(np.abs(values).max() / 127), np.int64(0)) for name, values in outputs.items()
    }
    codes = {name: grids[name].quantise(values) for name, values in outputs.items()}
    path = path_of(cut, [codes], grids=grids)
    assert path.fast
    assert_alike(path, codes)


def test_a_restoration_that_computes_something_else_stays(cut):
    found, _, outputs = cut
    other = found.restore.clone()
    for node in other.graph:
        if node.op_type == "Sigmoid":
            node.op_type = "HardSigmoid"
    path = path_of(cut, [outputs], restore=Model(other))
    assert not path.fast
    assert "other detections than the restoration" in path.how
    plain = path.plain(outputs, PLACE, SETTINGS)
    assert len(path(outputs, PLACE, SETTINGS)) == len(plain)


def test_without_an_object_nothing_is_proven(cut):
    silent = {name: np.full_like(values, -9) for name, values in cut[2].items()}
    path = path_of(cut, [silent])
    assert not path.fast
    assert "no golden sample shows an object" in path.how
    assert not path_of(cut, []).fast


def test_another_number_of_classes_is_another_head(cut):
    _, head, outputs = cut
    fewer = dataclasses.replace(head, params={**head.params, "nc": 4})
    path = path_of(cut, [outputs], head=fewer)
    assert not path.fast
    assert "no known family" in path.how
