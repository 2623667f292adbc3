"""Models that cannot be deployed: each is refused with a reason, exit status 2, and nothing left behind."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest

from edgewright.graph.model import Model
from tests.cli import zoo
from tests.cli.conftest import Cli
from tests.helpers import model_from_text, normal

DATA = ("--images", "val", "--calibration", "cal")


def small(inputs: str, outputs: str, body: str) -> Model:
    return model_from_text(
        f'<ir_version: 8, opset_import: ["" : 17]> g ({inputs}) => ({outputs}) {{ {body} }}', w=normal(2, 3, 3, 3)
    )


def external(cli: Cli, location: str) -> str:
    """A model whose weights lie in another file."""
    proto = onnx.load_from_string(zoo.detector().data)
    onnx.save(proto, cli.folder / "e.onnx", save_as_external_data=True, location="e.bin", size_threshold=0)
    bare = onnx.load(cli.folder / "e.onnx", load_external_data=False)
    for tensor in bare.graph.initializer:
        for entry in tensor.external_data:
            if entry.key == "location":
                entry.value = location
    return cli.save("e.onnx", bare.SerializeToString())


def test_missing(cli: Cli) -> None:
    assert cli.refused("deploy", "no.onnx", *DATA)["what"] == "there is no file no.onnx"


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"", "the model file is empty (0 bytes)"),
        (zoo.detector().data[:900], "this file is not an ONNX model, or it is truncated"),
        (b"hello, this is text\n" * 10, "this file is not an ONNX model, or it is truncated"),
        (b"PK\x03\x04" + bytes(100), "this file is not an ONNX model, or it is truncated"),
        (onnx.ModelProto(ir_version=8).SerializeToString(), "this file holds no ONNX graph"),
    ],
    ids=["empty", "truncated", "text", "zip", "no graph"],
)
def test_a_file_that_is_no_model(cli: Cli, content: bytes, what: str) -> None:
    error = cli.refused("deploy", cli.save("bad.onnx", content), *DATA)
    assert error["what"] == what
    assert error["where"] == "bad.onnx"
    assert error["do"]
    assert cli.refused("inspect", "bad.onnx")["what"] == what


def test_a_folder_as_model(cli: Cli) -> None:
    error = cli.refused("deploy", "val", *DATA)
    assert error["what"] == "val is a folder, not a model"
    assert "PaddleDetection" in error["do"]


@pytest.mark.parametrize(("name", "kind"), [("manifest.json", "a bundle"), ("recipe.toml", "a run directory")])
def test_what_was_made_from_a_model_as_model(cli: Cli, name: str, kind: str) -> None:
    (cli.folder / "made").mkdir()
    cli.save(f"made/{name}", b"")
    error = cli.refused("deploy", "made", *DATA)
    assert error["why"] == f"it holds {name}, so it is {kind}"
    assert error["do"] == f"pass the model that {kind} was made from"


def test_external_data_of_zero_bytes(cli: Cli) -> None:
    name = external(cli, "e.bin")
    cli.save("e.bin", b"")
    error = cli.refused("deploy", name, *DATA)
    assert "is incomplete" in error["what"]
    assert "the file has 0" in error["why"]


def test_external_data_is_missing(cli: Cli) -> None:
    error = cli.refused("deploy", external(cli, "elsewhere.bin"), *DATA)
    assert "is missing" in error["what"]


@pytest.mark.parametrize("location", ["../outside.bin", "/etc/hostname", "val/../../outside.bin"])
def test_external_data_outside_the_folder(cli: Cli, location: str) -> None:
    (cli.folder.parent / "outside.bin").write_bytes(bytes(1 << 16))
    error = cli.refused("deploy", external(cli, location), *DATA)
    assert "points outside the folder of the model" in error["what"]
    assert location in error["why"]


def test_external_data_outside_the_folder_hidden_in_a_node(cli: Cli) -> None:
    (cli.folder.parent / "outside.bin").write_bytes(bytes(1 << 16))
    proto = onnx.load_from_string(small("float[1,3,8,8] a", "float[1,3,8,8] s", "s = Relu(a)").data)
    tensor = onnx.TensorProto(name="t", dims=[4], data_type=onnx.TensorProto.FLOAT, data_location=1)
    tensor.external_data.add(key="location", value="../outside.bin")
    node = proto.graph.node.add(op_type="Constant", output=["c"])
    node.attribute.add(name="value", type=onnx.AttributeProto.TENSOR, t=tensor)
    error = cli.refused("inspect", cli.save("bad.onnx", proto.SerializeToString()))
    assert "points outside the folder of the model" in error["what"]


def test_external_data_in_place_deploys(cli: Cli) -> None:
    assert cli("deploy", external(cli, "e.bin"), "--images", "val", "--precision", "float").status == 0


def test_changed_external_data_is_another_model(cli: Cli) -> None:
    words = ("deploy", external(cli, "weights-of-it.bin"), "--images", "val", "--precision", "float", "--out", "r")
    data = bytearray((cli.folder / "e.bin").read_bytes())
    cli.save("weights-of-it.bin", bytes(data))
    assert cli(*words).status == 0
    assert "Nothing changed" in cli(*words).out
    data[2] ^= 0x40  # of the first weight
    cli.save("weights-of-it.bin", bytes(data))
    assert "Nothing changed" not in cli(*words).out


def test_dynamic_shape_not_given(cli: Cli) -> None:
    name = cli.save("dyn.onnx", zoo.detector(height="h", width="w"))
    error = cli.refused("deploy", name, *DATA)
    assert error["what"] == "input picture has dynamic dimensions: picture: float32[1x3x?x?]"
    assert "--input-shape picture=1,3,?,?" in error["do"]
    assert cli("deploy", name, *DATA, "--input-shape", "picture=1,3,32,32").status == 0


@pytest.mark.parametrize(
    ("shape", "what"),
    [
        ("picture=1,3,31,32", "the model does not run with --input-shape picture=1,3,31,32"),
        ("picture=1,4,32,32", "--input-shape picture=1,4,32,32 does not fit the model"),
        ("picture=1,3,32", "--input-shape picture=1,3,32 does not fit the model"),
        ("images=1,3,32,32", "the model has no input images"),
        ("picture=1,3,99999,99999", "input picture would hold 3e+10 values"),
        ("32,32", "--input-shape '32,32' has the wrong form"),
        ("picture=1,3,0,32", "--input-shape 'picture=1,3,0,32' has the wrong form"),
        ("picture=", "--input-shape 'picture=' has the wrong form"),
    ],
)
def test_a_shape_that_does_not_fit(cli: Cli, shape: str, what: str) -> None:
    name = cli.save("dyn.onnx", zoo.detector(height="h", width="w"))
    assert cli.refused("deploy", name, *DATA, "--input-shape", shape)["what"] == what


@pytest.mark.parametrize(
    ("model", "what"),
    [
        (zoo.maps(4), "input image: float32[1x4x8x8] is no image"),
        (
            small("float[1,3,8,8] a, float[1,3,8,8] b", "float[1,3,8,8] s", "s = Add(a, b)"),
            "Edgewright deploys models with one image input of four dimensions",
        ),
        (small("float[1,64] a", "float[1,64] s", "s = Relu(a)"), "Edgewright deploys models with one image input"),
        (small("float[2,3,8,8] a", "float[2,3,8,8] s", "s = Relu(a)"), "the preprocessing contract gives (1, 3, 8, 8)"),
        (small("double[1,3,8,8] a", "double[1,3,8,8] s", "s = Relu(a)"), "input a takes float64"),
        (small("float[1,3,99999,99999] a", "float[1,3,99999,99999] s", "s = Relu(a)"), "input a would hold 3e+10"),
        (small("float[1,3,1,20000] a", "float[1,3,1,20000] s", "s = Relu(a)"), "input a of the model is no image"),
        (small("float[1,3,8,8] a", "float[1,3,8,8] s", "s = Banana(a)"), "cannot load bad"),
    ],
    ids=["4 channels", "two inputs", "a vector", "batch 2", "double", "huge", "too wide", "unknown op"],
)
def test_a_model_that_is_not_for_one_image(cli: Cli, model: Model, what: str) -> None:
    error = cli.refused("deploy", cli.save("bad.onnx", model), *DATA)
    assert what in error["what"]
    assert error["do"]


def test_no_quantisable_op(cli: Cli) -> None:
    name = cli.save("tan.onnx", small("float[1,3,8,8] a", "float[1,3,8,8] s", "s = Tan(a)"))
    error = cli.refused("deploy", name, *DATA)
    assert error["what"].startswith("onnxruntime/cpu computes no op of this model in int")
    assert "Tan" in error["why"]
    answer = cli("deploy", name, *DATA, "--precision", "int8,float", "--json")
    assert answer.status == 0
    assert [one["name"] for one in answer.data["variants"]] == ["float"]
    assert "EW603" in [finding["code"] for finding in answer.data["findings"]]


@pytest.mark.parametrize(
    ("body", "code"),
    [("b = Mul(a, zero)\n scores = Sigmoid(b)", "EW405"), ("b = Sub(a, a)\n scores = Div(b, zero)", "EW401")],
    ids=["constant", "NaN"],
)
def test_a_model_whose_own_output_is_void_does_not_pass(cli: Cli, body: str, code: str) -> None:
    answer = cli("deploy", cli.save("void.onnx", zoo.maps(body=body)), *DATA, "--json")
    assert answer.status == 1
    assert answer.data["verdict"] == "failed"
    assert answer.data["bundle"] is None
    found = [finding for finding in answer.data["findings"] if finding["code"] == code]
    assert found
    assert found[0]["severity"] == "error"
    assert found[0]["where"].startswith("source model")
    assert "EW410" not in [finding["code"] for finding in answer.data["findings"]], "no stage is to blame"


def test_another_model_in_the_same_run_directory_is_not_taken_for_the_first(cli: Cli) -> None:
    cli.save("wide.onnx", zoo.detector(wide=True))
    assert cli("deploy", "m.onnx", *DATA, "--out", "r").status == 0
    second = cli("deploy", "wide.onnx", *DATA, "--out", "r", "--no-repair", "--json")
    assert second.status == 1
    assert {"EW403", "EW301"} <= {finding["code"] for finding in second.data["findings"]}
    assert not Path("r/bundle").exists(), "the first model's bundle must not stand beside a verdict that it failed"
