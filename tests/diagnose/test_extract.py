"""The smallest failing piece: it shows the error with ONNX Runtime and NumPy alone."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest

from edgewright.diagnose.extract import extract_piece
from edgewright.diagnose.extract_files import write_piece
from edgewright.errors import DataError, UserError
from edgewright.graph.model import Model
from edgewright.quant.error_measure import measure_errors
from edgewright.quant.error_sums import relative
from tests.helpers import model_from_text
from tests.quant.error_nets import PROFILE, SILU, images, network, plan_for, tensors

DEEP = """
<ir_version: 8, opset_import: ["" : 17]>
g (float[1,4,8,8] image) => (float[1,4,8,8] out) {
    [one] a = Add (image, much)
    [two] b = Add (a, less)
    [three] c = Mul (b, half)
    [four] out = Add (c, c)
}
"""


def deep() -> Model:
    """ "a" is coarse; what follows takes the offset away and keeps the error, which none of it makes."""
    constants = {"much": 100.0, "less": -100.0, "half": 0.5}
    return model_from_text(DEEP, **{name: np.array([value], np.float32) for name, value in constants.items()})


def test_one_op_with_what_is_fused_into_it() -> None:
    model, feeds = network(), images()
    plan = plan_for(model, SILU)
    piece = extract_piece(model, plan, "r", feeds)
    assert piece.nodes == ("group", "relu")
    assert piece.single
    assert list(piece.inputs) == ["act"]
    values = tensors(model, feeds[piece.image])
    np.testing.assert_allclose(piece.inputs["act"], values["act"], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(piece.expected, values["r"], rtol=1e-5, atol=1e-5)
    alone = measure_errors(model, plan, [feeds[piece.image]])["r"]
    assert piece.error == pytest.approx(relative(alone.isolated, alone.reference), rel=1e-3)
    assert piece.accumulated == pytest.approx(relative(alone.accumulated, alone.reference), rel=1e-3)
    worst = [measure_errors(model, plan, [image])["r"] for image in feeds]
    assert piece.image == int(np.argmax([sums.accumulated / sums.reference for sums in worst]))


def test_a_node_inside_a_fused_op_means_the_whole_op() -> None:
    model = network()
    plan = plan_for(model, SILU)
    for name in ("conv", "c", "sig", "act"):
        assert extract_piece(model, plan, name, images(1)).nodes == ("conv", "sig", "act")


def test_an_error_that_no_op_makes_grows_backwards() -> None:
    model, feeds = deep(), images()
    piece = extract_piece(model, plan_for(model, PROFILE, feeds=feeds), "out", feeds)
    assert not piece.single
    assert piece.nodes == ("two", "three", "four")  # "two" reads the coarse grid
    assert list(piece.inputs) == ["a"]
    assert piece.error is not None
    assert piece.accumulated is not None
    assert piece.error >= piece.accumulated / 2


BOTH = """
<ir_version: 8, opset_import: ["" : 17]>
g (float[1,4,8,8] image) => (float[1,8,8,8] out) {
    [far] f = Add (image, much)
    [back] n = Add (f, less)
    [boxes] b = Mul (n, much)
    [scores] s = Sigmoid (image)
    [join] out = Concat <axis = 1> (b, s)
}
"""


def test_an_op_that_loses_whole_channels_is_the_piece_though_the_others_hide_it(tmp_path: Path) -> None:
    """The boxes are wrong for a reason of their own, and as a whole only that shows."""
    constants = {name: np.array([value], np.float32) for name, value in (("much", 900.0), ("less", -900.0))}
    model, feeds = model_from_text(BOTH, **constants), images()
    piece = extract_piece(model, plan_for(model, feeds=feeds), "out", feeds)
    assert piece.nodes == ("join",)
    assert piece.in_channels
    assert piece.network.axis == 1
    assert piece.error is not None
    assert piece.accumulated is not None
    assert piece.error < piece.accumulated / 4
    assert piece.told.by_channel == pytest.approx(0.5, abs=0.05)  # four of eight channels are zero
    text = write_piece(piece, tmp_path)[-1].read_text(encoding="utf-8")
    code = text.split("```python\n")[1].split("```")[0]
    done = subprocess.run([sys.executable, "-I", "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    means = [float(found) for found in re.findall(r"mean over channels (\d\.\d+)", done.stdout)]
    assert means == [pytest.approx(0.0, abs=1e-4), pytest.approx(piece.told.by_channel, abs=1e-4)]


def test_where_an_error_accumulates_the_worst_ops_are_named() -> None:
    model, feeds = deep(), images()
    plan = plan_for(model, PROFILE, feeds=feeds)
    piece = extract_piece(model, plan, "out", feeds)
    assert set(piece.worst) == {"two", "three", "four"}
    alone = measure_errors(model, plan, [feeds[piece.image]])["b"]
    assert piece.worst["two"] == pytest.approx(relative(alone.isolated, alone.reference))
    assert next(iter(piece.worst)) == "two"
    assert not extract_piece(network(), plan_for(network()), "r", images()).worst


def test_ops_in_float_read_real_values_as_in_the_network() -> None:
    model = model_from_text(
        """
        <ir_version: 8, opset_import: ["" : 17]>
        g (float[1,4,8,8] image) => (float[1,4,8,8] out, float[1,4,8,8] more) {
            [soft] a = Softplus (image)
            [softer] b = Softplus (a)
            [two] out = Mul (b, ten)
            [three] more = Mul (a, ten)
        }
        """,
        ten=np.array([10.0], np.float32),
    )
    feeds = images(1)
    plan = plan_for(model, feeds=feeds)
    assert {"a", "b"} <= set(plan.activations)
    alone = measure_errors(model, plan, feeds)["b"]
    piece = extract_piece(model, plan, "b", feeds)
    assert piece.nodes == ("softer",)
    assert piece.error == pytest.approx(relative(alone.grid, alone.reference), rel=1e-3)


def test_second_grids_and_ops_in_float_are_as_the_plan_has_them() -> None:
    model, feeds = network(), images(1)
    plan = plan_for(model, precisions={"conv": "int16", "plus": "int16", "join": "int16"})
    assert "c" in plan.narrowed
    piece = extract_piece(model, plan, "s", feeds)
    assert any(name.startswith("c_narrowed") for name in piece.quantised.ir.graph.initializers)
    alone = measure_errors(model, plan, feeds)
    assert piece.error == pytest.approx(relative(alone["s"].isolated, alone["s"].reference), rel=1e-3)
    soft = extract_piece(model, plan, "f", feeds)  # made in float: the error of its grid is what readers see
    assert soft.error is not None
    assert soft.error >= relative(alone["f"].accumulated, alone["f"].reference) / 2  # type: ignore[operator]


def test_no_weight_of_another_op_comes_along() -> None:
    model = network()
    piece = extract_piece(model, plan_for(model), "r", images(1))
    assert set(piece.float_model.ir.graph.initializers) == {"wg", "bg"}


@pytest.mark.parametrize("target", ["r", "out"])
def test_the_files_show_the_error_by_themselves(target: str, tmp_path: Path) -> None:
    model, feeds = network(), images()
    piece = extract_piece(model, plan_for(model), target, feeds)
    paths = write_piece(piece, tmp_path / "piece")
    assert {path.name for path in paths} == {path.name for path in (tmp_path / "piece").iterdir()}
    for path in paths[:2]:
        onnx.checker.check_model(str(path), full_check=False)
    text = (tmp_path / "piece" / "README.md").read_text(encoding="utf-8")
    assert ("No single op" in text) is not piece.single
    code = text.split("```python\n")[1].split("```")[0]
    done = subprocess.run(
        [sys.executable, "-I", "-c", code], cwd=tmp_path / "piece", capture_output=True, text=True, check=True
    )
    figures = [float(found) for found in re.findall(r"error (\d\.\d+)", done.stdout)]
    assert ("mean over channels" in done.stdout) is piece.in_channels
    assert figures == [pytest.approx(0.0, abs=1e-4), pytest.approx(piece.error, abs=1e-4)]
    assert "Removing initializer" not in done.stderr


def test_names_that_nothing_has() -> None:
    model = network()
    plan = plan_for(model)
    with pytest.raises(UserError, match="is no tensor and no op") as caught:
        extract_piece(model, plan, "grup", images(1))
    assert "group" in caught.value.todo
    with pytest.raises(UserError, match="input of the network"):
        extract_piece(model, plan, "image", images(1))
    with pytest.raises(UserError, match="has no grid in this plan"):
        extract_piece(model, plan_for(model, precisions={"pool": "float"}), "out", images(1))
    with pytest.raises(DataError, match="no images"):
        extract_piece(model, plan, "r", [])
