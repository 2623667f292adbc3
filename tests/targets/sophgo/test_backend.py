"""What a SOPHGO target says and refuses before TPU-MLIR is asked at all."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgewright.errors import TargetMismatch, ToolchainError, UserError
from edgewright.findings import Severity
from edgewright.graph.model import Model
from edgewright.targets.artifact import Artifact
from edgewright.targets.facts import load_facts
from edgewright.targets.sophgo.backend import SophgoBackend, open_backend
from edgewright.targets.sophgo.build import identity
from edgewright.targets.sophgo.mlir import MlirOp, parse_mlir
from edgewright.targets.sophgo.process import variables
from edgewright.targets.sophgo.readback import float_before_codes
from edgewright.targets.sophgo.review import review
from edgewright.targets.sophgo.session import Feeds, Simulation, SophgoSession, save_samples, shaped
from edgewright.targets.sophgo.worker.launch import keeping
from edgewright.targets.sophgo.worker.vendor_scripts import ToolFailed, wanted
from edgewright.tensors import TensorSpec
from edgewright.toolchains.environments import Environment
from edgewright.workflow.variants import Drafting
from tests.targets.sophgo.nets import network, planned

CHIPS = sorted(load_facts("sophgo")["chips"])


@pytest.mark.parametrize("chip", CHIPS)
def test_facts_of_every_chip(chip: str) -> None:
    found = open_backend(chip).capabilities()
    facts = load_facts("sophgo")["chips"][chip]
    assert found.target == f"sophgo/{chip}"
    assert found.emulated, "nothing here runs on the chip itself"
    assert facts["float_mode"] in facts["modes"]
    assert set(facts["wide_modes"]) <= set(facts["modes"])
    assert facts["family"] in ("bm1684", "bm1684x", "cv18xx")
    assert (found.latency == "estimated") is ("estimate" in facts)


def test_bm1684_has_no_16_bit_types_and_one_step_for_a_weight() -> None:
    assert load_facts("sophgo")["chips"]["bm1684"]["modes"] == ["F32", "INT8"]
    assert not open_backend("bm1684").capabilities().fusion.per_channel_weights
    assert open_backend("bm1684x").capabilities().fusion.per_channel_weights


def test_models_are_made_new_enough_for_the_emulation() -> None:
    assert open_backend("bm1684x").capabilities().min_opset >= 13, "older DequantizeLinear has no axis"


def test_a_search_need_not_wait_for_the_compiler() -> None:
    assert isinstance(open_backend("bm1684"), Drafting)


def test_a_precision_that_the_chip_has_not_is_refused_with_those_that_it_has(tmp_path: Path) -> None:
    plan = planned(network(), "bm1684")
    wide = replace(plan, ops={**plan.ops, "c1": "int16"})
    with pytest.raises(UserError, match="does not compute in int16") as caught:
        SophgoBackend("bm1684").build(network(), wide, tmp_path)
    assert "F32, INT8" in caught.value.why


def test_a_new_opset_is_refused_before_anything_is_built(tmp_path: Path) -> None:
    changed = network().clone()
    changed.opset_imports[""] = 25
    with pytest.raises(UserError, match="opset 25"):
        SophgoBackend("bm1684x").build(Model(changed), None, tmp_path)
    assert list(tmp_path.iterdir()) == []


def artifact(**read_back: Any) -> Artifact:
    known: dict[str, Any] = {"in_float": [], "changed_grids": {}, "conversions": 0, "identity": {"samples": 0}}
    return Artifact("sophgo/bm1684x", "int8", ("model.bmodel",), Path(), (), (), {}, "", {**known, **read_back})


def test_an_artifact_of_another_chip_is_refused() -> None:
    with pytest.raises(TargetMismatch, match="bm1684x"):
        SophgoBackend("bm1684").open(artifact())


@pytest.mark.parametrize(
    ("identity_found", "severity"),
    [
        ({"samples": 1, "same": True, "largest": 0.0, "relative_l2": 0.0}, None),
        ({"samples": 1, "same": False, "largest": 1e-6, "relative_l2": 2e-7}, None),
        ({"samples": 1, "same": False, "largest": 0.1, "relative_l2": 2e-4}, Severity.INFO),
        ({"samples": 1, "same": False, "largest": 9.0, "relative_l2": 0.5}, Severity.INFO),
        ({"samples": 0}, None),
    ],
)
def test_a_chip_file_that_computes_something_else_is_told(
    identity_found: Mapping[str, Any], severity: Severity | None
) -> None:
    found = review(artifact(identity=identity_found), None)
    assert [finding.severity for finding in found] == ([] if severity is None else [severity])


def test_whose_figures_are_shown_is_told() -> None:
    apart = {"samples": 2, "same": False, "largest": 9.0, "relative_l2": 0.5}
    (found,) = review(artifact(identity=apart, most_images=64, float_before_codes=["a_Conv"]), None)
    assert found.code == "EW609"
    assert "0.5 apart (relative L2 on 2 images)" in found.message
    assert "a_Conv are put on codes" in found.message
    assert found.message.endswith("Figures are the chip file's, on 64 images at most.")
    same = {"samples": 2, "same": True, "largest": 0.0, "relative_l2": 0.0}
    (chance,) = review(artifact(identity=same, most_images=64, float_before_codes=["a_Conv"]), None)
    assert "agree on 2 images, but need not on others" in chance.message


def test_the_chips_file_is_opened_where_its_figures_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SophgoBackend, "_environment", lambda self: None)
    read_back = {"ran_on": "somewhere"}
    quick = SophgoBackend("bm1684x").open(artifact(**read_back))
    slow = SophgoBackend("bm1684x").open(artifact(**read_back, most_images=64))
    assert isinstance(quick, SophgoSession)
    assert isinstance(slow, SophgoSession)
    assert (quick.simulates, slow.simulates) == ("simulate", "chip")


CODES, REAL = "!quant.uniform<i8:f32, 0.1>", "f32"


def lowered(*ops: tuple[str, str, str, str]) -> list[MlirOp]:
    """A chain of ops, each with kind, element type of its result, its name and what it reads."""
    numbers = {name: index for index, (_, _, name, _) in enumerate(ops)}
    lines = [
        f'%{numbers[name]} = "{kind}"({"%" + str(numbers[read]) if read else "%arg0"}) {{}} : () -> '
        f"tensor<1x4x{element}> loc(#loc{numbers[name]})"
        for kind, element, name, read in ops
    ]
    return parse_mlir("\n".join([*lines, *(f'#loc{index} = loc("{name}")' for name, index in numbers.items())]))


def chain(*layers: str) -> list[tuple[str, str, str, str]]:
    """8-bit layers one after another, from "codes" on."""
    before = ("codes", *layers)
    return [("tpu.Conv2D", CODES, name, read) for name, read in zip(layers, before, strict=False)]


def test_float_sums_that_layers_on_codes_read_are_found() -> None:
    head = [
        ("top.Input", REAL, "image", ""),
        ("tpu.Cast", CODES, "image_codes", "image"),
        ("tpu.Cast", REAL, "real", "image_codes"),
        ("tpu.Conv2D", REAL, "sums", "real"),
        ("tpu.Cast", CODES, "codes", "sums"),
    ]
    assert float_before_codes(lowered(*head, *chain("a", "b", "c"))) == ["sums"]
    assert float_before_codes(lowered(*head, *chain("a"))) == [], "one layer makes little of it"
    only_moved = [(kind, element, name, read) for kind, element, name, read in head if kind != "tpu.Conv2D"]
    only_moved[-1] = ("tpu.Cast", CODES, "codes", "real")
    assert float_before_codes(lowered(*only_moved, *chain("a", "b", "c"))) == [], "codes to real values and back"
    assert float_before_codes(lowered(*head[:2], ("tpu.Cast", CODES, "codes", "image"), *chain("a", "b", "c"))) == []


def test_images_on_the_chips_model_come_back_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []

    def chunk(self: Simulation, samples: Sequence[Any], names: Any) -> Iterator[list[Any]]:
        calls.append(len(samples))
        time.sleep(0.02 if samples[0]["x"] == 0 else 0.0)
        return iter([[sample["x"]] for sample in samples])

    monkeypatch.setattr(Simulation, "_chunk", chunk)
    made: Any = None
    feeds = [{"x": number} for number in range(21)]
    assert list(Simulation(made, "chip", []).run(feeds)) == [[number] for number in range(21)]
    assert sum(calls) == 21
    assert max(calls) <= 4


def test_what_the_compiler_did_against_the_plan_is_told() -> None:
    plan = planned(network(), "bm1684x")
    told = review(artifact(in_float=["out_Mul"], changed_grids={"logits": [0.01, 0.1]}), plan)
    assert [finding.code for finding in told] == ["EW503", "EW601"]
    assert "logits (0.01 to 0.1)" in told[1].message


class _Fixed:
    """A simulation that answers what it was made with."""

    def __init__(self, values: float) -> None:
        self.values = values

    def run(self, feeds: Any, names: Any = None) -> Any:
        return ([np.full((1, 2), self.values, np.float32)] for _ in feeds)


def test_identity_is_bit_by_bit() -> None:
    feeds: list[Feeds] = [{}, {}]
    same = identity(_Fixed(2.0), _Fixed(2.0), feeds)  # type: ignore[arg-type]
    assert same == {"samples": 2, "same": True, "largest": 0.0, "relative_l2": 0.0}
    other = identity(_Fixed(2.5), _Fixed(2.0), feeds)  # type: ignore[arg-type]
    assert (other["same"], other["largest"], other["relative_l2"]) == (False, 0.5, 0.25)


def test_samples_are_stored_with_names_of_any_form(tmp_path: Path) -> None:
    save_samples(tmp_path / "in.npz", [{"a/b:0": np.ones((1, 2))}, {"a/b:0": np.zeros((1, 2))}])
    with np.load(tmp_path / "in.npz") as arrays:
        assert arrays["names"].tolist() == ["a/b:0"]
        assert arrays["x_0"].shape == (2, 1, 2)


def test_outputs_of_another_number_or_size_are_an_error() -> None:
    specs = [TensorSpec("y", "float32", (1, 2, 3))]
    assert shaped([np.zeros((1, 6, 1))], specs)["y"].shape == (1, 2, 3)
    with pytest.raises(ToolchainError, match="2 outputs"):
        shaped([np.zeros(6), np.zeros(6)], specs)
    with pytest.raises(ToolchainError, match="'y'"):
        shaped([np.zeros(7)], specs)


def test_the_launcher_keeps_weights_and_nothing_else(tmp_path: Path) -> None:
    removed: list[str] = []
    careful = keeping(("_weights.npz", "_weight.npz"), lambda path: removed.append(str(path)))
    for name in ("a_weights.npz", "b_weight.npz", "in_f32.npz"):
        careful(tmp_path / name)
    assert removed == [str(tmp_path / "in_f32.npz")]


def test_an_empty_file_is_no_result(tmp_path: Path) -> None:
    (tmp_path / "full").write_text("x")
    (tmp_path / "empty").touch()
    assert wanted(str(tmp_path / "full")) == (str(tmp_path / "full"),)
    for name in ("empty", "missing"):
        with pytest.raises(ToolFailed, match="was not written"):
            wanted(str(tmp_path / "full"), str(tmp_path / name))


def test_the_vendors_libraries_go_before_the_users(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", "/users/bin")
    made = Environment("sophgo", "1.30.2", tmp_path, "3.10.13", "", 0, "")
    found = variables(made)
    assert found["PATH"].split(os.pathsep)[0] == str(tmp_path / "bin")
    assert found["PATH"].endswith("/users/bin")
    assert found["TPUC_ROOT"] == str(tmp_path / "lib" / "python3.10" / "site-packages" / "tpu_mlir")
    assert found["LD_LIBRARY_PATH"].split(os.pathsep)[0] == f"{found['TPUC_ROOT']}/lib"
