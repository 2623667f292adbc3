"""Chips of toolkit 1.x: emulated, with a job for the user's own toolkit."""

from __future__ import annotations

import ast
import json
from pathlib import Path

import numpy as np
import pytest

from edgewright.errors import TargetMismatch, UserError
from edgewright.targets.rockchip.backend import RockchipBackend, open_backend
from edgewright.targets.rockchip.emulated import EmulatedBackend
from edgewright.targets.rockchip.plan import limits
from tests.targets.rockchip.graphs import images, plan_for, samples, silu_model


def test_a_chip_of_toolkit_1_is_emulated_and_says_so(tmp_path: Path) -> None:
    backend = open_backend("rv1126")
    assert isinstance(backend, EmulatedBackend)
    assert isinstance(open_backend("rk3588"), RockchipBackend)
    assert backend.capabilities().emulated
    artifact = backend.build(silu_model(), None, tmp_path)
    with backend.open(artifact) as session:
        assert session.ran_on.startswith("emulated rv1126")
        assert session(images(1)[0])["y"].shape == (1, 8, 8, 8)
    with pytest.raises(TargetMismatch):
        open_backend("rv1109").open(artifact)


def test_weights_have_one_grid_and_activations_unsigned_codes(tmp_path: Path) -> None:
    backend = open_backend("rv1126")
    plan = plan_for(silu_model(), chip="rv1126")
    assert {grid.dtype for grid in plan.activations.values()} == {"uint8"}
    assert all(plan.weights[name].axis is None for name in "wvu")
    artifact = backend.build(silu_model(), plan, tmp_path, samples)
    found = backend.read_plan(artifact.path).activations
    assert {name: grid.to_json() for name, grid in found.items()} == {
        name: grid.to_json() for name, grid in plan.activations.items()
    }
    (values,) = backend.trace(artifact, ["m"], images(1))
    codes = values["m"] / float(plan.activations["m"].scale)
    assert np.abs(codes - np.rint(codes)).max() < 1e-3
    with pytest.raises(UserError, match="no tensor 'nothing'"):
        next(backend.trace(artifact, ["nothing"], images(1)))


def test_the_job_holds_all_that_the_users_toolkit_needs(tmp_path: Path) -> None:
    plan = plan_for(silu_model(), {"y": "float", "p": "int16"}, chip="rv1126")
    artifact = open_backend("rv1126").build(silu_model(), plan, tmp_path, samples)
    assert {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()} == set(artifact.files)
    job = tmp_path / "job"
    written = json.loads((job / "plan.json").read_text(encoding="utf-8"))
    assert written["wide"] == {"p": "dynamic_fixed_point-i16", "y": "float32"}
    assert tuple(written["ranges"]["m"]) == limits(plan.activations["m"])
    assert written["channels"] == [3]
    rows = (job / "dataset.txt").read_text(encoding="utf-8").splitlines()
    assert [np.load(job / row).shape for row in rows] == [(1, 3, 16, 16)] * 4
    ast.parse((job / "convert.py").read_text(encoding="utf-8"), feature_version=(3, 6))
