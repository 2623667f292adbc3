"""Errors measured inside the graph against a plain computation on tensors that are copied out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edgewright.errors import DataError, ToolchainError, UserError
from edgewright.graph.model import Model
from edgewright.quant import error_chain, error_graph
from edgewright.quant.error_measure import measure_errors
from edgewright.quant.error_sums import ErrorSums, relative
from edgewright.quant.plan import PrecisionPlan
from tests.helpers import model_from_text, normal
from tests.quant.error_nets import (
    PROFILE,
    SILU,
    accumulated,
    images,
    network,
    on_grids,
    plan_for,
    squared,
    tensors,
)

PLAIN = {
    "image": (),
    "c": ("conv",),
    "s": ("sig",),
    "act": ("act",),
    "r": ("group", "relu"),
    "f": (),
    "h": ("scale",),
    "a": ("plus",),
    "j": ("join",),
    "out": ("pool",),
}
"""The op of each gridded tensor of `network` where every op has its own grids; () where a float op makes it."""
FUSED = {name: op for name, op in PLAIN.items() if name not in ("c", "s")} | {"act": ("conv", "sig", "act")}
WIDE = {"conv": "int16", "plus": "int16", "join": "int16"}


def assert_as_by_numpy(
    model: Model,
    plan: PrecisionPlan,
    ops: Mapping[str, tuple[str, ...]],
    feeds: list[dict[str, NDArray[Any]]],
    near: float = 2e-3,
) -> dict[str, ErrorSums]:
    found = measure_errors(model, plan, iter(feeds), threads=1, weight_images=len(feeds))
    assert list(found) == list(ops)
    for name, op in ops.items():
        sums, grid = found[name], plan.activations[name]
        wanted = dict.fromkeys(("isolated", "grid", "accumulated", "reference", "planned", "weight", "outside"), 0.0)
        for image in feeds:
            values = tensors(model, image)
            real, planned = values[name], accumulated(model, plan, image)[name]
            wanted["reference"] += squared(real)
            wanted["planned"] += squared(planned)
            wanted["accumulated"] += squared(planned - real)
            own = squared(grid.dequantise(grid.quantise(real)) - real)
            wanted["grid"] += own
            wanted["isolated"] += squared(on_grids(model, plan, op, values) - real) if op else own
            if op:
                wanted["weight"] += squared(on_grids(model, plan, op, values, activations=False) - real)
            low, high = grid.low - grid.step / 2, grid.high + grid.step / 2
            wanted["outside"] += int(((real < low) | (real > high)).sum())
        for key in ("reference", "planned", "accumulated", "grid", "isolated"):
            assert getattr(sums, key) == pytest.approx(wanted[key], rel=near, abs=1e-12), (name, key)
        if sums.weight is not None:
            assert sums.weight[0] == pytest.approx(wanted["weight"], rel=near, abs=1e-9), name
            assert sums.weight[1] == pytest.approx(wanted["reference"], rel=1e-5)
        assert sums.saturated == wanted["outside"]
        dot = (wanted["reference"] + wanted["planned"] - wanted["accumulated"]) / 2
        assert sums.cosine == pytest.approx(dot / np.sqrt(wanted["reference"] * wanted["planned"]), abs=1e-6)
    return found


@pytest.mark.parametrize("cut_everywhere", [False, True])
@pytest.mark.parametrize("fused", [False, True])
def test_every_figure_is_that_of_numpy(fused: bool, cut_everywhere: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if cut_everywhere:
        monkeypatch.setattr(error_graph, "cut", lambda model, wanted: error_chain.cut(model, wanted, nodes=1))
    model, feeds = network(), images()
    found = assert_as_by_numpy(model, plan_for(model, SILU if fused else PROFILE), FUSED if fused else PLAIN, feeds)
    assert [name for name, sums in found.items() if sums.weight is not None] == (
        ["act", "r", "h"] if fused else ["c", "r", "h"]
    )
    assert {sums.images for sums in found.values()} == {3}
    assert (found["out"].elements, found["out"].count) == (256, 768)


def test_16_bit_ops_and_readers_through_a_second_grid() -> None:
    model = network()
    plan = plan_for(model, precisions=WIDE)
    assert set(plan.narrowed) == {"c"}
    found = assert_as_by_numpy(model, plan, PLAIN, images())
    joined = found["j"]
    assert joined.isolated > 20 * joined.grid  # 16 bits wide itself, it reads "act", which has 8


def test_a_fused_16_bit_op_with_an_8_bit_reader() -> None:
    model = network()
    plan = plan_for(model, SILU, {**WIDE, "sig": "int16", "act": "int16"})
    assert set(plan.narrowed) == {"act"}
    found = assert_as_by_numpy(model, plan, FUSED, images())
    assert found["r"].isolated > 100 * found["act"].grid


def test_errors_far_below_a_thousandth_keep_their_digits() -> None:
    model = model_from_text(
        """
        <ir_version: 8, opset_import: ["" : 17]>
        g (float[1,4,64,64] image) => (float[1,4,64,64] out) {
            [near] n = Add (image, much)
            [out] out = Mul (n, two)
        }
        """,
        much=np.array([1000.0], np.float32),
        two=np.array([2.0], np.float32),
    )
    feeds = images(2, (1, 4, 64, 64))
    plan = plan_for(model, PROFILE, {"near": "int16", "out": "int16"}, feeds)
    found = assert_as_by_numpy(model, plan, {"image": (), "n": ("near",), "out": ("out",)}, feeds, near=2e-2)
    error = relative(found["n"].grid, found["n"].reference)
    assert error is not None
    assert 0 < error < 1e-5


def test_values_outside_the_grid_are_counted() -> None:
    model, feeds = network(), images()
    small = [{"image": image["image"] / 4} for image in feeds]
    found = assert_as_by_numpy(model, plan_for(model, feeds=small), PLAIN, feeds)
    assert found["image"].saturated > 10
    assert found["image"].minimum == min(float(image["image"].min()) for image in feeds)
    assert found["image"].maximum == max(float(image["image"].max()) for image in feeds)


def test_channels_are_told_apart_where_asked() -> None:
    model, feeds = network(), images()
    plan = plan_for(model)
    found = measure_errors(model, plan, feeds, channels=["r", "out"], weight_images=0)
    assert found["c"].channels is None
    assert found["r"].weight is None
    for name in ("r", "out"):
        wanted = np.zeros_like(found[name].channels)
        for image in feeds:
            real, planned = tensors(model, image)[name], accumulated(model, plan, image)[name]
            for row, part in enumerate((planned - real, real)):
                wanted[row] += np.square(part.astype(np.float64)).sum(axis=(0, 2, 3))
        np.testing.assert_allclose(found[name].channels, wanted, rtol=2e-3)


@pytest.mark.parametrize("opset", [13, 18])
def test_channels_at_either_form_of_the_reduction(opset: int) -> None:
    model = model_from_text(
        f"""
        <ir_version: 8, opset_import: ["" : {opset}]>
        g (float[2,6] image) => (float[2,4] out) {{ [fc] out = Gemm (image, w, b) }}
        """,
        w=normal(6, 4),
        b=normal(4),
    )
    feeds = images(2, (2, 6))
    found = measure_errors(model, plan_for(model, feeds=feeds), feeds, channels=["out"])["out"]
    assert found.channels is not None
    assert found.channels.shape == (2, 4)
    np.testing.assert_allclose(found.channels.sum(axis=1), [found.accumulated, found.reference], rtol=1e-5)


def test_scalars_and_tensors_whose_size_is_known_only_when_they_are_there() -> None:
    model = model_from_text(
        """
        <ir_version: 8, opset_import: ["" : 17]>
        g (float[1,4,8,8] image, bool[256] keep) => (float[N] some, float mean) {
            [mean] m = ReduceMean <keepdims = 0> (image)
            [double] mean = Mul (m, two)
            [flat] f = Reshape (image, all)
            [pick] p = Compress (f, keep)
            [relu] some = Relu (p)
        }
        """,
        two=np.array(2.0, np.float32),
        all=np.array([-1], np.int64),
    )
    feeds = [{**image, "keep": np.arange(256) < count} for image, count in zip(images(), (100, 0, 7), strict=True)]
    plan = plan_for(model, feeds=feeds)
    ops = {"image": (), "m": (), "mean": ("double",), "f": ("flat",), "p": (), "some": ("relu",)}
    found = assert_as_by_numpy(model, plan, ops, feeds)
    assert (found["some"].count, found["some"].elements) == (107, 7)
    assert found["some"].minimum == 0
    assert found["p"].minimum < 0 < found["p"].maximum
    assert found["mean"].count == 3


def test_branches_of_the_graph_that_read_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(error_graph, "cut", lambda model, wanted: error_chain.cut(model, wanted, nodes=1))
    model = model_from_text(
        """
        <ir_version: 8, opset_import: ["" : 17]>
        g (float[1,4,8,8] image, bool[1] which) => (float[1,4,8,8] out) {
            [first] r = Relu (image)
            [if] t = If (which) <
                then_branch = yes () => (float[1,4,8,8] y) { y = Add (r, r) },
                else_branch = no () => (float[1,4,8,8] n) { n = Neg (r) }
            >
            [last] out = Mul (t, r)
        }
        """
    )
    feeds = [{**image, "which": np.array([number == 1])} for number, image in enumerate(images())]
    plan = plan_for(model, feeds=feeds)
    assert_as_by_numpy(model, plan, {"image": (), "r": ("first",), "t": (), "out": ("last",)}, feeds)


def test_values_that_are_not_finite_make_no_figure() -> None:
    model, feeds = network(), images()
    plan = plan_for(model)
    broken = feeds[0]["image"].copy()
    broken[0, 0, 0, 0] = np.nan
    found = measure_errors(model, plan, [*feeds, {"image": broken}])
    assert relative(found["image"].accumulated, found["image"].reference) is None
    assert found["image"].cosine == 0.0


def test_images_are_taken_one_by_one_and_weights_measured_on_the_first() -> None:
    model, seen = network(), []

    def feeds() -> Iterator[dict[str, NDArray[Any]]]:
        for number, image in enumerate(images(5)):
            assert seen == list(range(1, number + 1))
            yield image

    found = measure_errors(model, plan_for(model), feeds(), weight_images=2, threads=1, on_image=seen.append)
    assert seen == [1, 2, 3, 4, 5]
    first = measure_errors(model, plan_for(model), images(2), weight_images=9)
    assert found["r"].weight == first["r"].weight
    assert found["r"].count == 5 * found["r"].elements


def test_images_side_by_side_give_the_same_sums_and_few_wait() -> None:
    model, done = network(), []
    plan, array = plan_for(model), np.empty((1, 4, 8, 8), np.float32)

    def feeds() -> Iterator[dict[str, NDArray[Any]]]:
        for number, image in enumerate(images(9)):
            assert len(done) >= number - 2
            array[...] = image["image"]  # the same memory for every image
            yield {"image": array}

    together = measure_errors(model, plan, feeds(), weight_images=3, threads=3, on_image=done.append)
    assert done == list(range(1, 10))
    assert together == measure_errors(model, plan, images(9), weight_images=3, threads=1)


def test_a_bad_image_among_many_is_told() -> None:
    model = network()
    wrong = {"image": np.zeros((1, 3, 8, 8), np.float32)}
    with pytest.raises(ToolchainError, match="ONNX Runtime failed"):
        measure_errors(model, plan_for(model), [*images(2), wrong, *images(3)], threads=2)


def test_what_cannot_be_measured_is_said() -> None:
    model = network()
    plan = plan_for(model)
    with pytest.raises(DataError, match="no images"):
        measure_errors(model, plan, [])
    with pytest.raises(UserError, match="'ot' has no grid") as caught:
        measure_errors(model, plan, images(), channels=["ot"])
    assert "out" in caught.value.todo
    nothing = PrecisionPlan(model.digest, {}, {}, {})
    assert measure_errors(model, nothing, images()) == {}
