"""What the targets say and refuse without any toolchain."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgewright.errors import BundleError, ModelError, UserError
from edgewright.targets.backend import FromSource, OwnControls, SelfTimed
from edgewright.targets.paddlelite import backend as backends
from edgewright.targets.paddlelite.backend import open_backend
from edgewright.targets.paddlelite.control import control_model
from edgewright.targets.paddlelite.review import review
from edgewright.targets.paddlelite.session import LiteSession
from edgewright.targets.registry import get_backend
from edgewright.toolchains.environments import Environment
from edgewright.workflow.given import check_source
from tests.targets.paddlelite.files import nb_bytes
from tests.targets.paddlelite.test_place import artifact


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Environment:
    made = Environment("paddlelite", "2.12", tmp_path, "3.7.16", "", 1, "")
    monkeypatch.setattr(backends, "toolchain_environment", lambda version=None: made)
    return made


def test_x86_runs_here_and_arm_does_not() -> None:
    x86, arm = (get_backend(f"paddlelite/{chip}").capabilities() for chip in ("x86", "arm"))
    assert (x86.runs_here, x86.latency, x86.stand_in) == (True, "measured", "")
    assert (arm.runs_here, arm.latency, arm.stand_in) == (False, "none", "paddlelite/x86")
    assert "do nothing" in arm.reason
    for able in (x86, arm):
        assert able.weight_only == ("int8", "int16")
        assert not able.fusion.quantised_ops, "nothing is computed in integers"


def test_they_build_from_source_and_have_controls_of_their_own() -> None:
    backend = open_backend("x86")
    assert isinstance(backend, FromSource)
    assert isinstance(backend, OwnControls)
    assert backend.framework == "paddle"


def test_an_onnx_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot be built from ONNX") as failure:
        open_backend("x86").build(control_model()[1], None, tmp_path)
    assert ".pdmodel" in failure.value.todo


def test_a_program_of_paddle_3_is_refused_with_what_to_do(tmp_path: Path) -> None:
    origin, model = control_model()
    with pytest.raises(UserError, match="cannot read this program") as failure:
        open_backend("x86").build_from(replace(origin, program=Path("model.json")), model, "float", tmp_path)
    assert "PIR" in failure.value.why
    assert "2.6.2" in failure.value.todo


def test_a_program_of_paddle_3_is_refused_before_any_work(tmp_path: Path) -> None:
    """Paddle 3 would have to be installed, and the model be converted, only to be refused then."""
    (tmp_path / "model.json").write_text('{"base_code": {"magic": "pir"}, "program": {}}', encoding="utf-8")
    (tmp_path / "model.pdiparams").write_bytes(b"\0" * 64)
    with pytest.raises(UserError, match="cannot read this program"):
        check_source("paddlelite/x86", open_backend("x86"), tmp_path)


@pytest.mark.parametrize("gone", ["program", "weights"])
def test_a_missing_file_is_named(tmp_path: Path, gone: str) -> None:
    origin, model = control_model()
    missing: Any = {gone: tmp_path / "nothing.pdmodel"}
    with pytest.raises(ModelError, match="is missing") as failure:
        open_backend("x86").build_from(replace(origin, **missing), model, "float", tmp_path)
    assert failure.value.where.endswith("nothing.pdmodel")


def test_another_framework_and_an_unknown_precision_are_refused(tmp_path: Path) -> None:
    origin, model = control_model()
    with pytest.raises(UserError, match="a model of torch"):
        open_backend("x86").build_from(replace(origin, framework="torch"), model, "float", tmp_path)
    with pytest.raises(UserError, match="has no int4"):
        open_backend("x86").build_from(origin, model, "int4", tmp_path)


def test_there_is_no_plan_and_no_inner_tensor(tmp_path: Path) -> None:
    backend, built = open_backend("x86"), artifact(tmp_path, nb_bytes("x86"))
    for refused in (
        lambda: backend.trace(built, [], []),
        lambda: backend.read_plan(tmp_path),
        lambda: backend.write_plan(control_model()[1], None, tmp_path),  # type: ignore[arg-type]
    ):
        with pytest.raises(UserError, match="Paddle Lite"):
            refused()


def test_an_input_that_the_runtime_would_misread_is_refused(tmp_path: Path, environment: Environment) -> None:
    """It takes float64 for float32, and reads past the end of what is too small, with exit status 0."""
    session = LiteSession(artifact(tmp_path, nb_bytes("x86")), environment, "here")
    assert isinstance(session, SelfTimed)
    assert session.keeps_time
    good = np.zeros((1, 3, 16, 16), np.float32)
    for feeds, what in (
        ({"image": good.astype(np.float64)}, "is float64"),
        ({"image": good[:, :2]}, "is float32\\[1, 2, 16, 16\\]"),
        ({}, "is missing"),
    ):
        with pytest.raises(UserError, match=what):
            session(feeds)


def told(folder: Path, precision: str, **read_back: Any) -> list[tuple[str, str]]:
    built = artifact(folder, nb_bytes("x86"))
    known = {
        "places": {"host": 4, "x86": 2},
        "stored": {"8": 0, "16": 0},
        "opt": "2.12",
        "bytes": 5902,
        "command": "paddle_lite_opt",
        "reworded": {},
    }
    return [(one.code, one.message) for one in review(replace(built, precision=precision, read_back=known | read_back))]


def test_findings_tell_what_was_read_back(tmp_path: Path) -> None:
    ((code, message),) = told(tmp_path, "float")
    assert code == "EW720"
    assert message.endswith("read from it: 4 for host, 2 for x86.")
    (places, words) = told(tmp_path, "int8", stored={"8": 3, "16": 0}, reworded={"swish: beta = 1": 2})
    assert places[1].endswith("Weights of 3 ops are stored in int8 and become floats again.")
    assert words == (
        "EW721",
        "The program was put into the words of Paddle Lite, which compute the same: swish: beta = 1 (2 ops).",
    )


def test_a_file_without_stored_weights_is_no_int8_file(tmp_path: Path) -> None:
    assert [code for code, _ in told(tmp_path, "int8")] == ["EW720", "EW722"]


@pytest.mark.parametrize(
    "said",
    [
        {},
        {"feeds": [{"input": "image"}]},
        {"feeds": 3, "fetches": ["out"]},
        {"feeds": ["image"], "fetches": ["out"]},
        {"feeds": [{"input": "other"}], "fetches": ["out"]},
        {"feeds": [{"input": "image"}], "fetches": ["out", "out"]},
        {"feeds": [{"input": "image"}, {"input": None}], "fetches": ["out"]},
        {"feeds": [{"input": "image"}, {"input": None, "values": [1], "dtype": "S999999999"}], "fetches": ["out"]},
        {"feeds": [{"input": "image"}, {"input": None, "values": {}, "dtype": "float32"}], "fetches": ["out"]},
    ],
)
def test_an_artifact_that_does_not_say_what_it_is_fed_with_is_refused(tmp_path: Path, said: dict[str, Any]) -> None:
    with pytest.raises(BundleError, match="does not say what it is fed with"):
        open_backend("x86").open(replace(artifact(tmp_path, nb_bytes("x86")), read_back=said))
