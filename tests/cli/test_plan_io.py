"""`edgewright plan-io`, on models and bundles, with and without accuracy."""

from __future__ import annotations

import json

import numpy as np
import pytest

from edgewright.graph.io import load_model
from edgewright.quant.input_grid import with_input_grid
from edgewright.quant.qdq_read import read_qdq
from edgewright.tensors import Grid
from tests.bundle.bundle_fakes import rehash
from tests.cli import zoo


def shifted(cli, bundle, scale, zero):
    """The bundle's own QDQ model with another grid for its input, as a file."""
    model = load_model(cli.folder / bundle / "artifact" / "model.onnx")
    (name,) = (spec.name for spec in model.inputs)
    return cli.save("shifted.onnx", with_input_grid(model, name, Grid("uint8", np.float32(scale), np.int64(zero))))


def test_a_model_without_grids(cli):
    data = cli("plan-io", "m.onnx", "--json").data
    (one,) = data["inputs"]
    assert (data["kind"], data["target"]) == ("model", "onnxruntime/cpu")
    assert one["now"]["route"] == "float"
    assert one["grid"] is None
    assert one["pass_through"]["exact"]
    assert one["pass_through"]["assumed_grid"]["scale"] == pytest.approx(1 / 255)
    ways = {way["way"]: way for way in one["ways"]}
    assert list(ways) == ["float", "table", "pass-through"]
    assert ways["float"]["bytes"] == 4 * ways["pass-through"]["bytes"] == 4 * 3 * 32 * 32
    assert all(way["microseconds"] > 0 for way in one["ways"])
    assert [output["name"] for output in data["outputs"]] == ["answer"]


def test_for_a_person(cli, bundle):
    answer = cli("plan-io", bundle)
    assert answer.status == 0
    assert "input picture: float32 1x3x32x32, real values; grid uint8" in answer.out
    assert "256 of 256 values of each of 3 channels equal" in answer.out
    assert "the graph's first QuantizeLinear makes the codes" in answer.out
    assert answer.out.splitlines()[-1].startswith("PLANNED  onnxruntime/cpu  in ")
    assert not [line for line in answer.out.splitlines() if "None" in line or "nan" in line]


def test_the_vendors_own_words(cli):
    data = cli("plan-io", "m.onnx", "--target", "rockchip/rk3588", "--json").data
    called = {way["way"]: way["called"] for way in data["inputs"][0]["ways"]}
    assert "pass_through = 1" in called["pass-through"]
    assert "rknn_set_io_mem" in data["zero_copy"]
    data = cli("plan-io", "m.onnx", "--target", "sophgo/bm1684x", "--json").data
    called = {way["way"]: way["called"] for way in data["inputs"][0]["ways"]}
    assert "--quant_input" in called["pass-through"]


def test_a_grid_that_is_nearly_that_of_raw_bytes(cli, bundle):
    model = shifted(cli, bundle, 0.0038, 1)
    (one,) = cli("plan-io", model, "--json").data["inputs"]
    found = one["pass_through"]
    assert not found["exact"]
    assert found["differing"] == [255, 255, 255]
    assert 0 < found["largest"] <= 10
    grid, contract = found["changes"]
    assert grid["told"] == ["scale 0.0038 becomes 0.00392157 (+3.20%)", "zero point 1 becomes 0"]
    assert (grid["grid"]["zero_point"], grid["mean"], grid["std"]) == (0, [0.0] * 3, [255.0] * 3)
    assert contract["mean"] == [1.0] * 3
    assert contract["std"] == pytest.approx([1 / 0.0038] * 3, rel=1e-6)
    assert grid["accuracy"] == contract["accuracy"] == "not measured"
    assert "not measured: pass --images" in cli("plan-io", model).out


@pytest.mark.parametrize("labels", [True, False])
def test_what_a_change_costs_is_measured(cli, bundle, labels):
    """A bundle whose network has another grid for its input, and a plan that says so."""
    folder = cli.folder / bundle
    grid = Grid("uint8", np.float32(0.0038), np.int64(1))
    file, plan = folder / "artifact" / "model.onnx", folder / "plan.json"
    file.write_bytes(with_input_grid(load_model(file), "picture", grid).data)
    told = json.loads(plan.read_text(encoding="utf-8"))
    told["activations"]["picture"] = grid.to_json()
    plan.write_text(json.dumps(told), encoding="utf-8")
    rehash(folder)
    words = ["--images", "val", *(["--labels", "val.json"] if labels else [])]
    (one,) = cli("plan-io", bundle, *words, "--json").data["inputs"]
    assert len(one["pass_through"]["changes"]) == 2
    for change in one["pass_through"]["changes"]:
        cost = change["accuracy"]
        assert cost["images"] == 6
        assert cost["metric"] == ("AP" if labels else "agreement AP")
        assert cost["now"] > 90
        assert abs(cost["changed"] - cost["now"]) < 10


def test_a_change_that_ruins_the_network_is_seen_to(cli, monkeypatch):
    """The figure comes from running: with codes that mean something else, nothing is found any more."""
    from edgewright.runtime.input_path import pass_through
    from edgewright.workflow import plan_io

    def dark(contract, grid):
        black = Grid("uint8", np.float32(1e-6), np.int64(0))
        return (pass_through.Change("grid", contract, black, ("everything black",)),)

    monkeypatch.setattr(plan_io, "changes", dark)
    far = pass_through.Distance((1, 1, 1), 1)
    monkeypatch.setattr(plan_io, "distance", lambda _: far)
    (one,) = cli("plan-io", "m.onnx", "--images", "val", "--labels", "val.json", "--json").data["inputs"]
    (change,) = one["pass_through"]["changes"]
    assert change["accuracy"]["now"] > 50
    assert change["accuracy"]["changed"] < 5


def test_a_head_without_a_metric_is_not_measured(cli):
    cli.save("k.onnx", zoo.keypoints())
    (one,) = cli("plan-io", "k.onnx", "--mean", "0.6", "--json").data["inputs"]
    assert one["pass_through"]["exact"] or one["pass_through"]["changes"][0]["accuracy"] == "not measured"


def test_the_bundle_says_how_frames_go_in(cli, bundle):
    told = cli("inspect", bundle, "--json").data["input_path"]
    assert told["route"] == "float"
    assert told["proof"] == "256 of 256 values of each of 3 channels equal"
    assert told["microseconds"] > 0
    assert "input path" in cli("inspect", bundle).out


@pytest.mark.parametrize(
    ("words", "what"),
    [
        (["nothing.onnx"], "nothing.onnx"),
        (["m.onnx", "--target", "acme/chip"], "acme"),
        (["m.onnx", "--mean", "1,2"], "contract"),
        (["m.onnx", "--mean", "nan"], "contract"),
        (["m.onnx", "--std", "0"], "contract"),
    ],
)
def test_what_cannot_be_planned(cli, words, what):
    error = cli.refused("plan-io", *words)
    assert what in " ".join(error.values())


def test_a_bundle_is_not_told_what_it_is(cli, bundle):
    assert "says itself" in cli.refused("plan-io", bundle, "--std", "250")["what"]


def test_images_that_are_not_there(cli, bundle):
    error = cli.refused("plan-io", shifted(cli, bundle, 0.0038, 1), "--images", "none")
    assert "none" in error["what"]


def test_reading_back_another_input_grid(cli, bundle):
    model = load_model(cli.folder / shifted(cli, bundle, 0.5, 7))
    found = read_qdq(model).activations["picture"]
    assert (float(found.scale), int(found.zero_point)) == (0.5, 7)
    plain = zoo.detector()
    assert with_input_grid(plain, "picture", found) is plain
    with pytest.raises(ValueError, match="whole tensor"):
        with_input_grid(model, "picture", Grid("uint8", np.ones(3, np.float32), np.zeros(3, np.int64), axis=1))
    with pytest.raises(ValueError, match="not int8"):
        with_input_grid(model, "picture", Grid("int8", np.float32(1), np.int64(0)))
