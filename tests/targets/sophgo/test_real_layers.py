"""Tensors and single ops of what the real TPU-MLIR built, and that their names stand for the right values."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from edgewright.diagnose.vendor_errors import Comparer
from edgewright.diagnose.vendor_layers import VendorLayers, vendor_findings
from edgewright.targets.artifact import Artifact
from edgewright.targets.sophgo.backend import SophgoBackend
from edgewright.targets.sophgo.build import NAMES
from edgewright.tensors import Part
from edgewright.toolchains.environments import ensure
from edgewright.toolchains.vendors import vendor_spec
from tests.targets.sophgo.nets import TAIL, images, network, planned

pytestmark = [pytest.mark.toolchain, pytest.mark.timeout(600)]
PARTS = (Part("pooled", "pooled", 1, 0, None, "tensor"),)


@pytest.fixture(scope="module", autouse=True)
def made() -> None:
    ensure(vendor_spec("sophgo"), yes=True)


def built(backend: SophgoBackend, chip: str, folder: Path) -> tuple[Artifact, Artifact]:
    model = network()
    artifact = backend.draft(model, planned(model, chip, TAIL), folder / "int8", images)
    return artifact, backend.build(model, None, folder / "float")


def compared(backend: SophgoBackend, chip: str, pair: tuple[Artifact, Artifact]) -> VendorLayers:
    model = network()
    plan = backend.expected_plan(model, planned(model, chip, TAIL))
    return Comparer(backend, model, model, plan, *pair, PARTS).compare(images(3), 2)


@pytest.mark.parametrize("chip", ["bm1684", "bm1684x"])
def test_every_tensor_is_proven_and_near_the_emulation(chip: str, tmp_path: Path) -> None:
    backend = SophgoBackend(chip)
    found = compared(backend, chip, built(backend, chip, tmp_path))
    assert (found.misnamed, found.unproven, found.gone) == ({}, (), ())
    assert found.fused == {"a": "r", "s": "body"}
    rows = {row.tensor: row for row in found.tensors}
    assert {"r", "d", "body", "sum", "pooled", "boxes", "logits", "both", "rows", "out"} == set(rows)
    assert found.where == f"TPU-MLIR 1.30.2, lowered module for {chip}"
    for name in ("r", "d", "body", "sum", "pooled", "boxes", "logits"):
        row = rows[name]
        assert row.apart is not None
        assert row.alone is not None
        assert row.isolated is not None
        assert row.apart < 0.02
        assert 0.0005 < row.alone < 0.2
        assert row.alone == pytest.approx(row.isolated, rel=0.3)
    assert rows["out"].alone == pytest.approx(0.0, abs=0.05), "computed in float"
    assert vendor_findings(found, {"pooled": 0.05}) == []


def test_an_op_alone_is_computed_as_in_the_whole_module(tmp_path: Path) -> None:
    """Fed with what the module itself computed, every op gives what it gave there, to the last bit."""
    backend = SophgoBackend("bm1684")
    artifact, plain = built(backend, "bm1684", tmp_path)
    tensors = backend.traceable(network(), artifact).tensors
    sample = images(1)[0]
    values = next(backend.trace(artifact, tensors, [sample]))
    (single,) = backend.single(artifact, plain, tensors, [(sample, values)])
    assert set(single.alone) == set(tensors)
    assert single.alone == dict.fromkeys(tensors, 0.0)
    wrong = {**values, "d": values["d"] * 1.5}
    (other,) = backend.single(artifact, plain, tensors, [(sample, wrong)])
    assert other.alone["body"] > 0
    assert other.alone["pooled"] == 0
    np.testing.assert_allclose(single.real["d"].ravel(), other.real["d"].ravel())


def test_names_that_were_matched_to_wrong_tensors_are_found_out(tmp_path: Path) -> None:
    backend = SophgoBackend("bm1684x")
    pair = built(backend, "bm1684x", tmp_path)
    path = pair[0].folder / NAMES
    names = json.loads(path.read_text(encoding="utf-8"))
    tensors = {name: tensor for name, tensor in names["tensors"].items() if tensor in ("r", "d")}
    (first, one), (second, other) = tensors.items()
    names["tensors"] |= {first: other, second: one}
    path.write_text(json.dumps(names), encoding="utf-8")
    found = compared(backend, "bm1684x", pair)
    assert set(found.misnamed) == {"r", "d"}
    assert {"r", "d"}.isdisjoint(row.tensor for row in found.tensors)
    assert [finding.code for finding in vendor_findings(found, {"pooled": 0.05})] == ["EW704"]
