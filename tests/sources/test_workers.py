"""Parts of the workers that need no Paddle."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType

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
    assert sys.modules["programs"]._summary(ValueError(said)) == told


def test_both_files_have_one_name(convert) -> None:
    with pytest.raises(ValueError, match="different names"):
        sys.modules["programs"].load("a/model.pdmodel", "a/other.pdiparams")
