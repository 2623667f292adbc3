"""Parts of the workers that need no Paddle."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

import edgewright

PACKAGE = Path(edgewright.__file__).parent
WORKERS = PACKAGE / "targets" / "paddle" / "worker"


@pytest.fixture
def convert(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.syspath_prepend(str(PACKAGE / "toolchains" / "side"))
    monkeypatch.syspath_prepend(str(WORKERS))
    monkeypatch.chdir(tmp_path)
    spec = importlib.util.spec_from_file_location("paddle_convert", WORKERS / "convert.py")
    assert spec is not None
    assert spec.loader is not None
    module: ModuleType = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    yield module
    for name in ("programs", "worker_side"):
        sys.modules.pop(name, None)


def attribute(*kinds: str) -> dict[str, object]:
    return {"N": "scale", "AT": {"#": "0.a_array", "D": [{"#": kind, "D": 2.0} for kind in kinds]}}


def test_lists_of_doubles_and_nothing_else_are_narrowed(convert, tmp_path: Path) -> None:
    single = {"N": "value", "AT": {"#": "0.a_f64", "D": 1.0}}
    attributes = [attribute("0.a_f64", "0.a_f64"), attribute("0.a_i64", "0.a_f64"), attribute(), single]
    program = {"base_code": {"magic": "pir"}, "program": {"regions": [{"ops": [{"A": attributes}]}]}}
    (tmp_path / "model.json").write_text(json.dumps(program), encoding="utf-8")
    copy, count = convert._narrowed("model.json")
    assert count == 1
    attributes[0] = attribute("0.a_f32", "0.a_f32")
    assert json.loads(Path(copy).read_text(encoding="utf-8")) == program
    assert Path(copy).name != "model.json", "the program itself is what the proof runs"


def test_a_program_without_them_is_given_as_it_is(convert, tmp_path: Path) -> None:
    (tmp_path / "model.json").write_text("{}", encoding="utf-8")
    assert convert._narrowed("model.json") == ("model.json", 0)
    assert convert._narrowed("gone.pdmodel") == ("gone.pdmodel", 0)


SUMMARY = "stack\n----\nError Message Summary:\n-----\nNotFoundError: no op\n  [Hint: x]\n  [operator < y >]"
STACK = "In user code:\n\n  File a\n    InvalidArgumentError: cannot parse\n  [Hint: x]"


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (SUMMARY, "ValueError: NotFoundError: no op"),
        (STACK, "ValueError: InvalidArgumentError: cannot parse"),
        ("", "ValueError: "),
    ],
)
def test_what_paddle_says_in_short(convert, said: str, told: str) -> None:
    assert sys.modules["programs"].summary(ValueError(said)) == told


def test_both_files_have_one_name(convert) -> None:
    with pytest.raises(ValueError, match="different names"):
        sys.modules["programs"].load("a/model.pdmodel", "a/other.pdiparams")


@pytest.fixture
def queries(convert, monkeypatch: pytest.MonkeyPatch):
    """The module, which reads nothing of Paddle by itself."""
    yield importlib.import_module("queries")
    sys.modules.pop("queries", None)


def test_rows_are_looked_for_among_all_queries(queries) -> None:
    random = np.random.default_rng(0)
    boxes, scores = random.random((20, 4)), random.random((20, 3))
    corners = np.concatenate([boxes[:, :2] - boxes[:, 2:] / 2, boxes[:, :2] + boxes[:, 2:] / 2], 1) * [80, 60, 80, 60]
    chosen = [(7, 2), (3, 0), (7, 1)]
    rows = np.array([[kind, scores[query, kind], *corners[query]] for query, kind in chosen])
    assert queries.rows_gap(rows, boxes, scores, (60, 80)) < 1e-9
    assert queries.rows_gap(rows, boxes, scores, (80, 60)) > 0.01, "height and width"
    assert queries.rows_gap(rows + np.array([0, 0.5, 0, 0, 0, 0]), boxes, scores, (60, 80)) > 0.01
    assert queries.rows_gap(rows + np.array([9, 0, 0, 0, 0, 0]), boxes, scores, (60, 80)) == float("inf")
    assert queries.rows_gap(rows * np.nan, boxes, scores, (60, 80)) == float("inf")
    assert queries.rows_gap(rows, boxes * np.nan, scores, (60, 80)) == float("inf")


class Loop:
    """A program whose only op writes what it reads."""

    def outputs_in_order(self) -> list[str]:
        return ["x"]

    def made(self, value: str):  # type: ignore[no-untyped-def]
        return sys.modules["programs"].Made("op", "scale", [value])


def test_an_op_that_writes_what_it_reads_holds_nobody_up(queries) -> None:
    assert queries.best_of_queries(Loop()) is None


def test_inputs_that_are_not_known_are_not_fed(queries) -> None:
    image = {"name": "image", "dtype": "float32", "shape": [None, 3, None, 32]}
    size = {"name": "im_shape", "dtype": "float32", "shape": [None, 2]}
    fed = queries._noise([image, size], [48, 999])
    assert fed["image"].shape == (1, 3, 48, 32)
    assert fed["im_shape"].tolist() == [[48.0, 32.0]]
    assert queries._noise([image, size], [None, None]) is None
    assert queries._noise([image, {**size, "name": "other"}], [48, 48]) is None
