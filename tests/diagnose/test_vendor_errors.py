"""A vendor's inner tensors against the float network and the emulation."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from edgewright.diagnose import vendor_errors
from edgewright.diagnose.vendor_errors import Comparer
from edgewright.diagnose.vendor_layers import VendorLayers, VendorTensor, vendor_findings
from edgewright.tensors import Part
from tests.diagnose.acme import Acme, built
from tests.quant.error_nets import SILU, accumulated, images, network, plan_for, tensors

PARTS = (Part("map", "out", 1, 0, None, "tensor"), Part("act", "act", 1, 0, None, "tensor"))
NOTICED = {"map": 0.05, "act": 0.05}


def compared(backend: Acme, folder: Path, single: int = 1) -> VendorLayers:
    model, plan = network(), plan_for(network(), SILU)
    artifact, plain = built(backend, model, plan, folder)
    return Comparer(backend, model, model, plan, artifact, plain, PARTS).compare(images(), single)


def row(found: VendorLayers, tensor: str) -> VendorTensor:
    return next(row for row in found.tensors if row.tensor == tensor)


def relative(expected: np.ndarray, found: np.ndarray) -> float:
    return float(np.linalg.norm(found - expected) / np.linalg.norm(expected))


def test_figures_are_those_of_the_tensors_themselves(tmp_path: Path) -> None:
    found = compared(Acme(scaled={"g": 1.5, "j": 1.25}), tmp_path)
    model, plan = network(), plan_for(network(), SILU)
    real = [tensors(model, image) for image in images()]
    ours = [accumulated(model, plan, image) for image in images()]
    expected = np.stack([values["j"] for values in real])
    emulated = np.stack([values["j"] for values in ours])
    joined = row(found, "j")
    assert (joined.op, joined.op_type, joined.source_ops, joined.depth) == ("join", "Concat", ("join",), 9)
    assert joined.vendor == pytest.approx(relative(expected, 1.25 * emulated), rel=1e-4)
    assert joined.emulated == pytest.approx(relative(expected, emulated), rel=1e-4)
    assert joined.apart == pytest.approx(0.25 * np.linalg.norm(emulated) / np.linalg.norm(expected), rel=1e-4)
    assert joined.alone == pytest.approx(0.25, rel=1e-4), "on the first image alone"
    assert joined.isolated is not None
    assert 0 < joined.isolated < 0.05
    assert row(found, "f").isolated is None, "the plan has it in float"
    assert found.first_parted() == row(found, "g")
    assert (found.images, found.single_images, found.where) == (3, 1, "Acme 1, simulator")
    assert [part.apart for part in found.parts] == [0.0, 0.0], "outputs come from the session, and are not distorted"
    assert VendorLayers.from_json(json.loads(json.dumps(found.to_json()))) == found


def test_names_that_stand_for_other_tensors_are_left_out_and_said(tmp_path: Path) -> None:
    """The same size and nearly the same range: only the values in float tell."""
    found = compared(Acme(names={"r": "g", "g": "r", "h": "f"}), tmp_path)
    assert set(found.misnamed) == {"r", "g", "h"}
    assert all(far is not None and far > 0.1 for far in found.misnamed.values())
    assert {"r", "g", "h"}.isdisjoint(entry.tensor for entry in found.tensors)
    assert row(found, "a").apart == 0.0
    (finding,) = vendor_findings(found, NOTICED)
    assert (finding.code, set(finding.evidence["misnamed"])) == ("EW704", {"r", "g", "h"})


def test_a_tensor_of_another_size_is_another_tensor(tmp_path: Path) -> None:
    found = compared(Acme(names={"out": "j"}), tmp_path)
    assert found.misnamed == {"out": None}


def test_fused_tensors_are_said_to_be_fused(tmp_path: Path) -> None:
    found = compared(Acme(hidden={"c", "s", "g", "out"}), tmp_path)
    assert found.fused == {"c": "act", "s": "act", "g": "r"}
    assert found.gone == ("out",)
    assert [entry.tensor for entry in found.tensors] == ["act", "r", "f", "h", "a", "j"]


def test_little_lies_on_disk_and_in_memory_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = compared(Acme(), tmp_path / "whole")
    monkeypatch.setattr(vendor_errors, "_BATCH_BYTES", 1)
    monkeypatch.setattr(vendor_errors, "_GROUP_BYTES", 1)
    backend = Acme()
    assert compared(backend, tmp_path / "pieces") == whole
    assert backend.asked == [1, 1, 1]
