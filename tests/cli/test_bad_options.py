"""Options that cannot be used, recipes that are broken, verbs and codes that do not exist."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli import zoo
from tests.cli.conftest import Cli
from tests.helpers import model_from_text, normal

DEPLOY = ("deploy", "m.onnx", "--images", "val", "--calibration", "cal")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--target", "onnxruntime/gpu"), ("unknown target 'onnxruntime/gpu'", "did you mean onnxruntime/npu or ")),
        (("--target", "zzz"), ("unknown target 'zzz'", "`edgewright targets` lists them all")),
        (("--task", "yolov9"), ("unknown head family 'yolov9'", "did you mean yolov8")),
        (("--task", "superpoint"), ("this model cannot be read as superpoint", "--task tensors")),
        (("--observer", "percentil"), ("unknown observer 'percentil'", "did you mean percentile?")),
        (("--observer", "percentile:abc"), ("percentile must be above 50 and at most 100, but got 'abc'",)),
        (("--precision", "int4"), ("an option is not valid", "--precision", "'int8' or 'int16', but got 'int4'")),
        (("--precision", "int8,int8"), ("--precision", "a precision is named twice")),
        (("--precision", ""), ("--precision", "but got ''")),
        (("--activation", "int4"), ("--activation", "'uint8' or 'int8', but got 'int4'")),
        (("--skip-prepare", "simplfy"), ("unknown preparation step 'simplfy'", "did you mean simplify?")),
        (("--skip-prepare", "static-shapes"), ("preparation step 'static-shapes' cannot be skipped",)),
        (("--colour", "GRAY"), ("--colour GRAY does not fit the model, whose input has 3 channel(s)",)),
        (("--colour", "PURPLE"), ("--colour", "'RGB', 'BGR' or 'GRAY', but got 'PURPLE'")),
        (("--resize", "squash"), ("--resize", "but got 'squash'")),
        (("--mean", "a,b"), ("--mean 'a,b' is not a list of numbers", "--mean 123.7,116.3,103.5")),
        (("--mean", "1,2"), ("the preprocessing contract is not valid", "mean and std must have 3 entries for RGB")),
        (("--mean", "nan"), ("mean and std must be finite",)),
        (("--std", "0"), ("std must not be zero",)),
        (("--max-drop", "-1"), ("--max-drop", "greater than or equal to 0, but got -1")),
        (("--max-drop", "nan"), ("--max-drop", "but got nan")),
        (("--max-drop", "inf"), ("--max-drop", "but got inf")),
    ],
    ids=" ".join,
)
def test_an_option_that_cannot_be_used(cli: Cli, options: tuple[str, ...], words: tuple[str, ...]) -> None:
    error = cli.refused(*DEPLOY, *options)
    told = "\n".join(error.values())
    for word in words:
        assert word in told
    assert error["do"]


@pytest.mark.parametrize(
    ("words", "what"),
    [
        ((*DEPLOY, "--max-drop", "abc"), "Invalid value for '--max-drop'"),
        ((*DEPLOY, "--imagez", "x"), "No such option: --imagez"),
        (("deplo", "m.onnx"), "No such command 'deplo'"),
        (("compare", "m.onnx"), "Missing argument 'B'"),
        (("run", "b", "val", "--confidence", "7"), "Invalid value for '--confidence'"),
        (("run", "b", "val", "--confidence", "nan"), "Invalid value for '--confidence'"),
    ],
    ids=["no number", "no such option", "no such verb", "missing", "beyond 1", "NaN"],
)
def test_a_command_line_that_is_not_understood(cli: Cli, words: tuple[str, ...], what: str) -> None:
    before = cli.tree()
    answer = cli(*words)
    assert answer.status == 2
    assert answer.out == ""
    assert what in answer.err
    machine = cli(*words, "--json")
    assert machine.status == 2
    assert machine.data["verdict"] == "error"
    assert what in machine.data["error"]["what"]
    assert cli.tree() == before


def test_what_is_missing(cli: Cli) -> None:
    assert cli.refused("deploy")["what"] == "MODEL is missing"
    assert cli.refused("deploy", "m.onnx")["what"] == "--images DIR is missing"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a = = 1", "the recipe is not valid TOML"),
        ('[model]\npath = "m.onnx"\n[data]\nimages = "val"\nbanana = 1', "data.banana"),
        ('model = "m.onnx"', "model: Input should be"),
        ('precision = []\n[model]\npath = "m.onnx"\n[data]\nimages = "val"', "precision"),
        ('schema_version = 2\n[model]\npath = "m.onnx"\n[data]\nimages = "val"', "schema_version: Input should be 1"),
        ("\x00", "the recipe is not valid TOML"),
    ],
    ids=["no TOML", "unknown key", "no table", "no precision", "newer", "NUL"],
)
def test_a_broken_recipe(cli: Cli, text: str, words: str) -> None:
    error = cli.refused("deploy", "--recipe", cli.save("r.toml", text), "--images", "val")
    assert words in "\n".join(error.values())
    assert error["where"] == "r.toml"
    assert error["do"]


def test_no_recipe(cli: Cli) -> None:
    assert cli.refused("deploy", "--recipe", "none.toml")["what"] == "cannot read the recipe none.toml"
    assert cli.refused("deploy", "--recipe", "val")["why"] == "Is a directory"


def test_explain_an_unknown_code(cli: Cli) -> None:
    error = cli.refused("explain", "EW999")
    assert error["what"] == "unknown finding code 'EW999'"
    assert "EW301" in error["do"]


def test_inspect_what_is_no_model(cli: Cli) -> None:
    name = cli.save("notes.txt", "hello\nworld\n")
    assert cli.refused("inspect", name)["what"] == "this file is not an ONNX model, or it is truncated"
    assert cli.refused("inspect", "nope.onnx")["what"] == "there is no file nope.onnx"
    assert cli.refused("inspect", "val")["what"] == "this is not a bundle"


def test_compare_what_cannot_be_compared(cli: Cli) -> None:
    first = cli.save("a.onnx", zoo.maps())
    wider = cli.save("b.onnx", zoo.maps(out="1,4,8,8", body="scores = Concat<axis = 1>(a, a)"))
    more = """<ir_version: 8, opset_import: ["" : 17]>
        g (float[1,3,8,8] x) => (float[1,2,8,8] s, float[1,2,8,8] t) { s = Conv <pads = [1,1,1,1]> (x, w)
        t = Relu (s) }"""
    two = cli.save("c.onnx", model_from_text(more, w=normal(2, 3, 3, 3)))
    images = ("--images", "val")
    assert "they cannot be fed alike" in cli.refused("compare", first, "m.onnx", *images)["what"]
    shapes = cli.refused("compare", first, wider, *images)["what"]
    assert shapes == "A gives scores (1, 2, 8, 8) and B gives scores (1, 4, 8, 8)"
    assert cli.refused("compare", first, two, *images)["what"] == "A has outputs scores and B has s, t"
    assert cli.refused("compare", first, "no.onnx", *images)["what"] == "there is no file no.onnx"
    assert cli.refused("compare", first, first, "--images", "no")["what"] == "there is no file or folder no"


def test_a_downright_missing_image(cli: Cli, bundle: Path) -> None:
    assert cli.refused("run", bundle, "none.png")["what"] == "there is no file or folder none.png"
    assert cli.refused("run", bundle, "val.json")["what"] == "val.json is not an image by its name"
    assert cli.refused("run", "nobundle", "val")["what"] == "there is no bundle nobundle"
    assert cli.refused("run", bundle, "val", "--save", "m.onnx")["what"] == "a file is in the way of a folder"
