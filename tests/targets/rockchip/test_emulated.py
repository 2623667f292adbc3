"""Chips of toolkit 1.x: emulated, with a job for the user's own toolkit."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

import edgewright as ew
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


FAKE_TOOLKIT = '''
"""RKNN-Toolkit 1.x as its API reference documents it: these calls, these arguments, and the files that they leave."""
import json, os

CALLS = "calls.json"


class RKNN:
    def __init__(self):
        self.calls = []

    def _call(self, name, **arguments):
        self.calls.append([name, arguments])
        with open(CALLS, "w") as file:
            json.dump(self.calls, file)
        return 0

    def config(self, *, mean_values=None, std_values=None, reorder_channel=None, quantized_dtype="asymmetric_affine-u8",
               quantized_algorithm="normal", target_platform=None, batch_size=100, epochs=1, optimization_level=3):
        assert isinstance(target_platform, list) and len(mean_values) == len(std_values)
        return self._call("config", mean=mean_values, std=std_values, order=reorder_channel, dtype=quantized_dtype,
                          chips=target_platform)

    def load_onnx(self, *, model, inputs=None, input_size_list=None, outputs=None):
        return self._call("load_onnx", model=os.path.isfile(model))

    def build(self, *, do_quantization=True, dataset="./dataset.txt", pre_compile=False, rknn_batch_size=1):
        return self._call("build", quantised=do_quantization)

    def hybrid_quantization_step1(self, *, dataset):
        rows = [line.split() for line in open(dataset)]
        assert rows and all(os.path.isfile(name) for row in rows for name in row)
        names = json.load(open("names.json"))
        entry = dict(dtype="asymmetric_affine", qtype="u8", max_value=[9.0], min_value=[-9.0], scale=[0.07])
        entry["zero_point"] = [127]
        table = {"@Conv_%s_%d:out0" % (name, index): dict(entry) for index, name in enumerate(names)}
        with open("model.quantization.cfg", "w") as file:
            json.dump({"customized_quantize_layers": None, "quantize_parameters": table}, file)
        for name in ("model.json", "model.data"):
            open(name, "w").close()
        return self._call("step1")

    def hybrid_quantization_step2(self, *, model_input, data_input, model_quantization_cfg, dataset, pre_compile=False):
        assert all(os.path.isfile(name) for name in (model_input, data_input, model_quantization_cfg, dataset))
        return self._call("step2")

    def export_rknn(self, export_path):
        open(export_path, "w").close()
        return self._call("export_rknn")
'''
FAKE_YAML = """
import json


class YAML:
    load = staticmethod(json.load)
    dump = staticmethod(json.dump)
"""


def run_job(job: Path, place: Path, names: list[str]) -> subprocess.CompletedProcess[str]:
    """The job's script, with a toolkit that takes what the documentation of 1.x names and nothing else."""
    for path, text in (("rknn/api.py", FAKE_TOOLKIT), ("ruamel/yaml.py", FAKE_YAML)):
        (place / path).parent.mkdir(parents=True, exist_ok=True)
        (place / path).write_text(text, encoding="utf-8")
    (job / "names.json").write_text(json.dumps(names), encoding="utf-8")
    environment = {**os.environ, "PYTHONPATH": str(place)}
    return subprocess.run(
        [sys.executable, "convert.py"], cwd=job, env=environment, capture_output=True, text=True, check=False
    )


def test_the_job_hands_the_whole_plan_to_the_toolkit(tmp_path: Path) -> None:
    plan = plan_for(silu_model(), {"y": "float", "p": "int16"}, chip="rv1126")
    open_backend("rv1126").build(silu_model(), plan, tmp_path, samples)
    job, names = tmp_path / "job", ["x", *(node.outputs[0].name or "" for node in silu_model().ir.graph)]
    ended = run_job(job, tmp_path / "toolkit", names)
    assert ended.returncode == 0, ended.stderr
    calls = json.loads((job / "calls.json").read_text(encoding="utf-8"))
    assert [name for name, _ in calls] == ["config", "load_onnx", "step1", "step2", "export_rknn"]
    assert calls[0][1] == {
        "mean": [[0, 0, 0]], "std": [[1, 1, 1]], "order": "0 1 2", "dtype": "asymmetric_affine-u8", "chips": ["rv1126"],
    }  # fmt: skip
    config = json.loads((job / "model.quantization.cfg").read_text(encoding="utf-8"))
    assert config["customized_quantize_layers"] == {"Conv_p_7": "dynamic_fixed_point-i16", "Conv_y_8": "float32"}
    entry, grid = config["quantize_parameters"]["@Conv_m_3:out0"], plan.activations["m"]
    assert (entry["min_value"][0], entry["max_value"][0]) == limits(grid)
    assert entry["scale"][0] == pytest.approx(float(grid.scale), rel=1e-6)
    assert entry["zero_point"] == [int(grid.zero_point)]


def test_the_job_stops_where_an_op_of_the_plan_is_not_found(tmp_path: Path) -> None:
    plan = plan_for(silu_model(), {"p": "int16"}, chip="rv1126")
    open_backend("rv1126").build(silu_model(), plan, tmp_path, samples)
    ended = run_job(tmp_path / "job", tmp_path / "toolkit", ["x", "y"])
    assert ended.returncode == 1
    assert "'p' is to be dynamic_fixed_point-i16, but 0 entries" in ended.stderr
    assert not (tmp_path / "job" / "model.rknn").exists()


def test_the_job_of_a_float_build_only_converts(tmp_path: Path) -> None:
    open_backend("rv1109").build(silu_model(), None, tmp_path)
    ended = run_job(tmp_path / "job", tmp_path / "toolkit", [])
    assert ended.returncode == 0, ended.stderr
    calls = json.loads((tmp_path / "job" / "calls.json").read_text(encoding="utf-8"))
    assert [name for name, _ in calls] == ["config", "load_onnx", "build", "export_rknn"]
    assert calls[2][1] == {"quantised": False}


def test_a_deploy_says_emulated_and_leaves_the_job_in_the_bundle(tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(silu_model().data)
    (tmp_path / "images").mkdir()
    random = np.random.default_rng(0)
    for index in range(4):
        cv2.imwrite(str(tmp_path / "images" / f"{index}.png"), random.integers(0, 255, (16, 16, 3), np.uint8))
    run = ew.deploy(
        tmp_path / "model.onnx",
        images=tmp_path / "images",
        target="rockchip/rv1126",
        task="tensors",
        out=tmp_path / "run",
    )
    assert run.verdict == "passed"
    assert all("emulated" in row.ran_on for row in run.table)
    told = [finding for finding in run.findings if finding.code == "EW608"]
    assert told
    assert "emulated" in told[0].message
    assert run.bundle is not None
    job = run.bundle / "artifact" / told[0].evidence["job"]
    plan = json.loads((job / "plan.json").read_text(encoding="utf-8"))
    assert (plan["chip"], plan["quantised"]) == ("rv1126", True)
    assert plan["ranges"]
    assert len((job / "dataset.txt").read_text(encoding="utf-8").split()) == 2, "every other image calibrates"
    ast.parse((job / "convert.py").read_text(encoding="utf-8"), feature_version=(3, 6))
