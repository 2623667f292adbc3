"""`edgewright analyse`: what it says, leaves, shares with a deploy, and refuses."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
import pytest

import edgewright as ew
from edgewright.graph.model import Model
from edgewright.report.layers_json import layers_schema
from tests.cli import zoo
from tests.cli.conftest import Answer, Cli
from tests.diagnose.acme import Acme
from tests.helpers import model_from_text
from tests.report.test_layers import wrong_in

DATA = ("--images", "val", "--labels", "val.json", "--calibration", "cal")
COLLAPSED = "w.onnx"


@pytest.fixture(scope="session")
def analysed(given: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run directory of an analysis of the detector whose boxes leave no room for a score; never changed."""
    folder = tmp_path_factory.mktemp("analysed")
    (folder / COLLAPSED).write_bytes(zoo.detector(wide=True).data)
    data = {"images": given / "val", "labels": given / "val.json", "calibration": given / "cal"}
    return ew.analyse(folder / COLLAPSED, **data, out=folder / "r").run_dir


@pytest.fixture
def again(cli: Cli, analysed: Path) -> Callable[..., Answer]:
    """The same analysis by the command line, into the run directory `r`, where its stages lie already."""
    shutil.copytree(analysed, "r")
    Path("r/recipe.toml").unlink()  # its paths count from where it was
    cli.save(COLLAPSED, zoo.detector(wide=True))
    return lambda *words: cli("analyse", COLLAPSED, *DATA, "--out", "r", *words)


def stages(run: str) -> set[str]:
    return {path.name for path in Path(run, "stages").iterdir()}


def of(lines: list[str], heading: str) -> list[list[str]]:
    """Rows of the table whose heading begins so."""
    start = next(place for place, line in enumerate(lines) if line.startswith(f"{heading} "))
    return [line.split() for line in lines[start + 1 : lines.index("", start)]]


def test_it_names_the_join_its_cause_and_the_region(again: Callable[..., Answer]) -> None:
    done = stages("r")
    answer = again()
    assert stages("r") == done, "the command line does what `edgewright.analyse` does"
    assert (answer.status, answer.err) == (0, "")
    lines = answer.out.splitlines()
    assert lines[0].startswith("int8 of w on onnxruntime/cpu, ranges by minmax of 6 images, ")
    assert lines[1] == "AP 100.0 in float, 0.0 as planned"
    scores = next(row for row in of(lines, "part") if row[0] == "scores")
    assert scores[1:3] == ["100", "%"]
    worst = of(lines, "op")[0]
    assert worst[:3] == ["Concat_answer", "Concat", "tail"]
    assert worst[-2:] == ["100", "%"]
    assert next(row for row in of(lines, "region") if row[0] == "tail")[-2:] == ["100", "%"]
    first = next(line for line in lines if line.startswith("EW"))
    assert first.startswith("EW301  Concat_answer joins Mul_boxes (")
    assert "Sigmoid_scores (0.." in first
    assert sum(line.startswith("EW301") for line in lines) == 1, "the static rule's finding of the same node is dropped"
    assert [line for line in lines if line.startswith("EW311  Mul_boxes multiplies by factors from 8 to 3200")]
    assert lines[-2].startswith("scores 100 %")
    assert "enters in the tail; Concat_answer makes most" in lines[-2]
    assert lines[-1].startswith("ANALYSED  onnxruntime/cpu  in ")
    assert lines[-1].endswith("report: r/analysis.html")
    assert "<script" not in Path("r/analysis.html").read_text(encoding="utf-8")


def test_json_keeps_to_its_schema(again: Callable[..., Answer]) -> None:
    answer = again("--json", "--channels", "Concat_answer", "--extract", "answer")
    assert (answer.status, answer.err) == (0, "")
    data = answer.data
    assert wrong_in(data, layers_schema()) == []
    assert data["verdict"] == "analysed"
    assert (data["reference_value"], data["value"], data["drop"]) == (100.0, 0.0, 100.0)
    worst = next(tensor for tensor in data["tensors"] if tensor["rank"] == 1)
    assert (worst["tensor"], worst["source_ops"], worst["region"]) == ("answer", ["Concat_answer"], "tail")
    assert worst["effects"]["scores"] == pytest.approx(1.0, abs=0.02)
    assert len(worst["channels"]) == 7
    assert all(error == pytest.approx(1.0) for error in worst["channels"][4:]), "three channels of lost scores"
    ranks = sorted(tensor["rank"] for tensor in data["tensors"] if tensor["rank"] is not None)
    assert ranks == list(range(1, len(ranks) + 1))
    assert data["extracted"]["tensor"] == "answer"
    assert data["extracted"]["nodes"][-1] == "Concat_answer"
    assert len(data["extracted"]["nodes"]) <= 5, "of more than twenty"
    assert data["extracted"]["error"]["by_channel"] > 0.4, "three of seven channels are lost"
    assert (Path(data["run_dir"]) / "stages").is_dir()
    assert Path(data["report"]).is_file()


def test_limit_is_the_number_of_rows(again: Callable[..., Answer]) -> None:
    lines = again("--limit", "2").out.splitlines()
    assert len(of(lines, "op")) == 2 + 1, "and a line that counts the others"
    assert any(line.endswith("more in the report, or with --limit 17") for line in lines)
    assert len(of(again("--limit", "99").out.splitlines(), "op")) == 17


def test_a_run_directory_is_enough_and_its_stages_are_used(cli: Cli) -> None:
    deploy = ("deploy", cli.save(COLLAPSED, zoo.detector(wide=True)), *DATA, "--no-repair", "--out", "r")
    assert cli(*deploy).status == 1
    recipe, before = Path("r/recipe.toml").read_bytes(), stages("r")
    answer = cli("analyse", "r")
    assert answer.status == 0
    assert "EW301  Concat_answer joins" in answer.out
    new = {name.rpartition("-")[0] for name in stages("r") - before}
    assert new == {"calibrate", "floor", "tensor-effects", "tensor-errors"}, "histograms, and what only analysis needs"
    assert Path("r/recipe.toml").read_bytes() == recipe
    assert "Nothing changed since the last run" in cli(*deploy).out
    done = stages("r")
    assert cli("analyse", "r").status == 0
    assert stages("r") == done


def test_what_analyse_leaves_is_a_run_directory(cli: Cli, again: Callable[..., Answer]) -> None:
    assert again().status == 0
    answer = cli("analyse", "r", "--target", "onnxruntime/npu")
    assert answer.status == 0
    assert "of w on onnxruntime/npu" in answer.out


def test_the_smallest_piece_shows_the_error(again: Callable[..., Answer]) -> None:
    answer = again("--extract", "Concat_answer")
    line = answer.out.splitlines()[-2]
    assert line.startswith("The smallest piece that shows the error of answer has ")
    folder = Path(line.rpartition(" It is in ")[2])
    assert folder == Path("r/pieces/answer")
    given, expected = np.load(folder / "inputs.npz"), np.load(folder / "expected.npz")["output"]
    found = {}
    for name in ("piece_float.onnx", "piece_quantised.onnx"):
        session = ort.InferenceSession(folder / name, providers=["CPUExecutionProvider"])
        feeds = {value.name: given[f"input_{number}"] for number, value in enumerate(session.get_inputs())}
        found[name] = session.run(None, feeds)[0]
    np.testing.assert_allclose(found["piece_float.onnx"], expected, rtol=1e-4, atol=1e-5)
    assert expected[0, 4:].max() > 0.9
    assert found["piece_quantised.onnx"][0, 4:].max() == 0, "the scores are lost in the piece as in the network"


def test_a_float_model_that_is_wrong_on_the_labels_is_said_first(cli: Cli) -> None:
    labels = json.loads(Path("val.json").read_text(encoding="utf-8"))
    for box in labels["annotations"]:
        box["category_id"] = (box["category_id"] + 1) % 3
    words = "--images", "val", "--labels", cli.save("wrong.json", json.dumps(labels)), "--calibration", "cal"
    answer = cli("analyse", "m.onnx", *words, "--out", "r")
    assert answer.status == 0
    lines = answer.out.splitlines()
    assert lines[0].startswith("EW211  The float model itself reaches only AP ")
    assert lines[-1].startswith("VOID  onnxruntime/cpu")
    assert "mend that first" in lines[-2]
    data = cli("analyse", "r", "--json").data
    assert data["verdict"] == "void"
    assert data["findings"][0]["code"] == "EW211"
    assert wrong_in(data, layers_schema()) == []


def test_three_images_suffice_where_others_calibrate(cli: Cli) -> None:
    zoo.write_images(cli.folder / "three", 3, seed=2)
    answer = cli("analyse", "m.onnx", "--images", "three", "--calibration", "three", "--out", "r")
    assert answer.status == 0
    assert "measured on 3 images" in answer.out
    error = cli.refused("analyse", "m.onnx", "--images", "three", "--out", "q")
    assert "too few images (3)" in error["what"]


def test_an_output_of_zeros_has_no_effects(cli: Cli) -> None:
    model = cli.save("z.onnx", zoo.maps(body="scores = Mul (a, zero)"))
    answer = cli("analyse", model, "--images", "val", "--calibration", "cal", "--out", "r")
    assert answer.status == 0
    assert "scores: zero on all images, or not finite" in answer.out
    assert "to scores" not in answer.out


def test_a_toolchain_that_shows_its_tensors_is_set_beside_the_emulation(
    cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The vendor's Concat computes something of its own, and one name stands for another tensor."""
    model = zoo.detector()
    tensors = [value.name or "" for node in model.ir.graph for value in node.outputs]
    backend = Acme(names={tensors[1]: tensors[0]}, scaled={tensors[3]: 1.5})
    monkeypatch.setattr("edgewright.workflow.analyse.get_backend", lambda target: backend)
    answer = cli("analyse", cli.save("d.onnx", model), *DATA, "--target", "onnxruntime/npu", "--out", "r", "--json")
    assert answer.status == 0, answer.err
    assert wrong_in(answer.data, layers_schema()) == []
    vendor = answer.data["vendor"]
    assert (vendor["where"], vendor["images"], vendor["single_images"]) == ("Acme 1, simulator", 6, 2)
    assert tensors[1] in vendor["misnamed"]
    rows = {row["tensor"]: row for row in vendor["tensors"]}
    assert rows[tensors[3]]["alone"] == pytest.approx(0.5, rel=1e-3)
    assert rows[tensors[0]]["vendor"] == rows[tensors[0]]["emulated"]
    assert all(part["predicted"] for part in vendor["parts"])
    assert [finding["code"] for finding in answer.data["findings"] if finding["code"] > "EW7"] == ["EW704"]
    told = cli("analyse", "r").out
    assert "Acme 1, simulator: " in told
    assert "The emulation first differs at " in told


def test_a_head_of_keypoints(cli: Cli) -> None:
    model = cli.save("k.onnx", zoo.keypoints())
    answer = cli("analyse", model, "--images", "val", "--calibration", "cal", "--out", "r")
    assert answer.status == 0
    assert "matching accuracy" in answer.out
    heading = next(line for line in answer.out.splitlines() if line.startswith("op "))
    assert heading.endswith("to keypoint scores  to descriptors")


def bad(*words: str, **said: str) -> Any:
    return pytest.param(words, said, id=" ".join(words)[:60])


@pytest.mark.parametrize(
    ("words", "said"),
    [
        bad("analyse", "m.onnx", *DATA, "--extract", "Concat_answr", what="'Concat_answr'", do="Concat_answer"),
        bad("analyse", "m.onnx", *DATA, "--channels", "nothing", what="'nothing' is no tensor and no op"),
        bad("analyse", "m.onnx", *DATA, "--observer", "best", what="best"),
        bad("analyse", "m.onnx", *DATA, "--target", "a/b", what="a/b"),
        bad("analyse", "m.onnx", *DATA, "--precision", "int4", what="option", why="int4"),
        bad("analyse", "m.onnx", "--images", "none", what="none"),
        bad("analyse", "m.onnx", what="--images DIR is missing"),
        bad("analyse", "val", what="no run directory", do="ONNX file"),
        bad("analyse", "no.onnx", *DATA, what="no file no.onnx"),
        bad(
            "analyse", "m.onnx", *DATA, "--against", "sophgo/bm1684", what="onnxruntime/cpu has no toolchain that shows"
        ),
        bad("analyse", "m.onnx", *DATA, "--against", "onnxruntime/cpu", what="compared with itself"),
        bad("analyse", "m.onnx", *DATA, "--against", "sophgo/bm9", what="bm9"),
    ],
)
def test_what_cannot_be_used_is_refused(cli: Cli, words: tuple[str, ...], said: dict[str, str]) -> None:
    error = cli.refused(*words)
    for key, text in said.items():
        assert text in error[key], error


def test_a_model_without_an_integer_op_is_refused(cli: Cli) -> None:
    error = cli.refused("analyse", cli.save("f.onnx", floats()), "--images", "val", "--calibration", "cal")
    assert "computes no op of this model in integers" in error["what"]
    assert "Erf" in error["why"]


def floats() -> Model:
    return model_from_text(
        """
        <ir_version: 8, opset_import: ["" : 17]>
        floats (float[1,3,8,8] image) => (float[1,3,8,8] scores) { scores = Erf (image) }
        """
    )
