"""Weights rounded by what they do to the output."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from edgewright.errors import DataError
from edgewright.graph.model import Model
from edgewright.graph.reference import ReferenceSession
from edgewright.quant.grids import activation_grid, weight_grid
from edgewright.quant.plan import PrecisionPlan
from edgewright.quant.weight_rounding import LayerRounding, round_weights
from edgewright.quant.weight_rounding_samples import from_matrix, input_rows, to_matrix
from edgewright.quant.weight_rounding_solve import RoundingProblem
from edgewright.tensors import Grid
from tests.helpers import model_from_text, normal

INPUTS = activation_grid(-4.0, 4.0, "uint8", symmetric=False)


def feeds(*shape: int, count: int = 4) -> list[dict[str, np.ndarray]]:
    """Images whose channels and neighbours go together, as real ones' do."""
    made = []
    for seed in range(count):
        noise = np.random.default_rng(seed).normal(size=shape).astype(np.float32)
        made.append({"x": noise * np.float32(0.5) + noise.mean(axis=1, keepdims=True) + np.float32(0.5)})
    return made


def one_op(op: str, shape: tuple[int, ...], weight: np.ndarray) -> Model:
    dims = ",".join(map(str, shape))
    kind, _, attributes = op.partition(" ")
    return model_from_text(
        f"""<ir_version: 8, opset_import: ["" : 17]>
        g (float[{dims}] x) => (float y) {{ [op] y = {kind} {attributes} (x, w) }}""",
        w=weight,
    )


def plan_of(model: Model, **weights: Grid) -> PrecisionPlan:
    ops = {node.name or "": "int8" for node in model.ir.graph}
    return PrecisionPlan(model.digest, {"x": INPUTS}, weights, ops)  # type: ignore[arg-type]


def few_levels(values: np.ndarray, axis: int | None) -> Grid:
    """About 15 levels for the weights, so that rounding matters."""
    grid = weight_grid(values, "int8", axis)
    return replace(grid, scale=grid.scale * np.float32(18))


def weight_of(model: Model, name: str = "w") -> np.ndarray:
    tensor = model.ir.graph.initializers[name].const_value
    assert tensor is not None
    return tensor.numpy()


def run(model: Model, images: list[dict[str, np.ndarray]]) -> np.ndarray:
    session = ReferenceSession(model.data)
    return np.stack([session(image)["y"] for image in images])


def nearest(model: Model, grid: Grid) -> np.ndarray:
    return grid.dequantise(grid.quantise(weight_of(model)))


OPS = [
    ("Conv <pads = [1,1,1,1]>", (1, 4, 8, 8), (5, 4, 3, 3), 0),
    ("Conv <pads = [1,1,1,1]>", (1, 4, 8, 8), (5, 4, 3, 3), None),
    ("Conv <group = 4, pads = [0,1,1,2], strides = [2,1]>", (1, 4, 8, 8), (4, 1, 3, 3), 0),
    ("Conv <group = 2, dilations = [2,1]>", (2, 4, 8, 8), (6, 2, 3, 2), 0),
    ('Conv <auto_pad = "SAME_UPPER", strides = [2,2]>', (1, 4, 7, 8), (3, 4, 4, 3), 0),
    ('Conv <auto_pad = "SAME_LOWER">', (1, 4, 7, 8), (3, 4, 2, 2), 0),
    ('Conv <auto_pad = "VALID", strides = [3]>', (1, 4, 17), (3, 4, 5), 0),
    ("ConvTranspose <strides = [2,2], pads = [1,0,1,1]>", (1, 4, 6, 6), (4, 3, 3, 4), 1),
    ("ConvTranspose <group = 2, strides = [2,3], dilations = [1,2]>", (1, 4, 6, 6), (4, 3, 2, 3), None),
    ("ConvTranspose <strides = [2,3], output_padding = [1,1]>", (1, 4, 6, 6), (4, 3, 2, 3), 1),
    ('ConvTranspose <auto_pad = "SAME_UPPER", strides = [2,2]>', (1, 4, 6, 6), (4, 3, 3, 3), 1),
    ("ConvTranspose <output_shape = [12,11], strides = [2,2]>", (1, 4, 6, 6), (4, 3, 3, 3), 1),
    ("Gemm <transB = 1>", (16, 12), (5, 12), 0),
    ("Gemm <transA = 1, alpha = 0.5>", (12, 16), (12, 5), 1),
    ("MatMul", (2, 9, 12), (12, 5), 1),
]


@pytest.mark.parametrize(("op", "shape", "weight", "axis"), OPS)
def test_rows_times_the_matrix_are_the_ops_output(
    op: str, shape: tuple[int, ...], weight: tuple[int, ...], axis: int | None
) -> None:
    """All positions taken, the product must be what ONNX Runtime computes, with whatever attributes."""
    del axis
    model = one_op(op, shape, normal(*weight))
    node = next(iter(model.ir.graph))
    image = feeds(*shape)[0]
    rows = input_rows(node, weight, image["x"], 10**6, np.random.default_rng(0))
    matrix = to_matrix(node, weight_of(model))
    made = np.concatenate(list(rows @ np.swapaxes(matrix, 1, 2)), axis=1)  # (positions, channels)
    wanted = run(model, [image])[0]
    if "Conv" in op:
        wanted = np.moveaxis(wanted, 1, -1)
    scale = 0.5 if "alpha" in op else 1.0
    assert np.allclose(made * scale, wanted.reshape(made.shape), atol=1e-4)
    assert np.array_equal(from_matrix(node, matrix, weight), weight_of(model))


@pytest.mark.parametrize(("op", "shape", "weight", "axis"), OPS)
def test_the_output_is_nearer_than_with_nearest_weights_which_lie_on_the_grid(
    op: str, shape: tuple[int, ...], weight: tuple[int, ...], axis: int | None
) -> None:
    model, images = one_op(op, shape, normal(*weight)), feeds(*shape)
    grid = few_levels(weight_of(model), axis)
    changed, report = round_weights(model, plan_of(model, w=grid), images, time_limit=60)
    values = weight_of(changed)
    assert np.array_equal(grid.dequantise(grid.quantise(values)), values)
    assert np.abs(values - weight_of(model)).max() <= grid.step * 1.001, "up or down, no further"
    exact = run(model, images)
    start = one_op(op, shape, nearest(model, grid))
    errors = [float(np.square(run(one, images) - exact).sum()) for one in (start, changed)]
    assert errors[1] < 0.96 * errors[0]
    assert report.complete
    assert report.images == len(images)
    (layer,) = report.layers
    assert (layer.weight, layer.nodes) == ("w", ("op",))
    assert layer.rounded < layer.nearest
    assert 0 < layer.flipped < 1


def test_best_of_all_choices() -> None:
    """Against every one of the 2**10 ways to round a row."""
    generator = np.random.default_rng(3)
    rows = generator.normal(size=(200, 10)) + generator.normal(size=(200, 1)) * 2
    target = generator.normal(size=(1, 4, 10)) * 3
    problem = RoundingProblem((rows.T @ rows)[None], target, np.floor(target), np.ceil(target))
    found, start = problem.fit(np.rint(target)), np.rint(target)
    ways = np.array(list(itertools.product((0.0, 1.0), repeat=10)))
    for row in range(4):
        all_codes = np.floor(target[:, row])[:, None] + ways[None]
        best = np.sqrt(np.einsum("grk,gkl,grl->gr", *_away(all_codes, target[:, row], problem)).min())
        mine, near = (float(np.sqrt(problem.error(codes)[0, row])) for codes in (found, start))
        assert mine <= near
        assert mine <= 1.3 * best, "near the best there is"


def _away(codes: np.ndarray, target: np.ndarray, problem: RoundingProblem) -> tuple[Any, ...]:
    away = codes - target[:, None]
    return away, problem.moments, away


def test_blocks_change_nothing() -> None:
    """More columns than a block holds, against descent without blocks."""
    generator = np.random.default_rng(0)
    rows = generator.normal(size=(600, 150)) + generator.normal(size=(600, 1))
    target = generator.normal(size=(1, 3, 150)) * 4
    problem = RoundingProblem((rows.T @ rows)[None], target, np.floor(target), np.ceil(target))
    codes = np.rint(target)[0]
    for column in range(150):
        slope = (codes - target[0]) @ problem.moments[0][:, column]
        moved = np.rint(codes[:, column] - slope / problem.moments[0, column, column])
        codes[:, column] = np.clip(moved, problem.low[0, :, column], problem.high[0, :, column])
    assert np.array_equal(problem.descend(np.rint(target), sweeps=1)[0], codes)
    assert (problem.error(problem.feed_back()) < problem.error(np.rint(target))).all()


def test_a_plan_made_anew_finds_the_same_grid() -> None:
    weight = normal(6, 4, 3, 3)
    model = one_op("Conv", (1, 4, 8, 8), weight)
    grid = weight_grid(weight, "int8", 0)
    changed, _ = round_weights(model, plan_of(model, w=grid), feeds(1, 4, 8, 8), time_limit=60)
    again = weight_grid(weight_of(changed), "int8", 0)
    assert np.allclose(again.scale, grid.scale, rtol=1e-6)
    assert np.array_equal(again.quantise(weight_of(changed)), grid.quantise(weight_of(changed)))
    assert np.abs(grid.quantise(weight_of(changed)).astype(int)).max() == 127


def test_the_largest_weight_keeps_its_code() -> None:
    """The second input is twice the first, so 126 and 1 would fit 127 and 0.55 better than 127 and 1."""
    weight = np.random.default_rng(0).uniform(1, 2, (40, 1, 1, 1)).astype(np.float32) * np.float32([1, 0.55 / 127])
    weight = weight.reshape(40, 2, 1, 1)
    model, grid = one_op("Conv", (1, 2, 8, 8), weight), weight_grid(weight, "int8", 0)
    image = normal(1, 1, 8, 8)
    images = [{"x": np.concatenate([image, 2 * image], axis=1)}]
    changed, _ = round_weights(model, plan_of(model, w=grid), images, time_limit=60)
    assert (grid.quantise(weight_of(changed))[:, 0] == 127).all()


def test_without_time_nothing_is_done() -> None:
    model = one_op("Conv", (1, 4, 8, 8), normal(6, 4, 3, 3))
    plan = plan_of(model, w=few_levels(weight_of(model), 0))
    changed, report = round_weights(model, plan, feeds(1, 4, 8, 8), time_limit=0)
    assert np.array_equal(weight_of(changed), weight_of(model))
    assert not report.complete
    assert report.skipped == {"w": "the time was up"}


def test_a_time_limit_in_the_middle_keeps_what_was_done(monkeypatch: pytest.MonkeyPatch) -> None:
    """The clock runs out after the first layer; the worst layer came first."""
    model = model_from_text(
        """<ir_version: 8, opset_import: ["" : 17]>
        g (float[1,4,8,8] x) => (float y) { [a] c = Conv (x, w)  [b] y = Conv (c, v) }""",
        w=normal(4, 4, 3, 3),
        v=normal(4, 4, 3, 3, seed=1),
    )
    plan = plan_of(model, w=weight_grid(weight_of(model), "int8", 0), v=few_levels(weight_of(model, "v"), 0))
    now = 0.0
    monkeypatch.setattr("edgewright.quant.weight_rounding.time.monotonic", lambda: now)

    def late(layer: LayerRounding) -> None:
        nonlocal now
        del layer
        now = 100.0

    changed, report = round_weights(model, plan, feeds(1, 4, 8, 8), time_limit=60, on_layer=late)
    assert [layer.weight for layer in report.layers] == ["v"]
    assert report.skipped == {"w": "the time was up"}
    assert np.array_equal(weight_of(changed), weight_of(model))
    assert not np.array_equal(weight_of(changed, "v"), weight_of(model, "v"))


def test_images_take_no_more_than_their_share_of_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    model = one_op("Conv", (1, 4, 8, 8), normal(6, 4, 3, 3))
    now = 0.0
    monkeypatch.setattr("edgewright.quant.weight_rounding.time.monotonic", lambda: now)

    class Slow(list[dict[str, np.ndarray]]):
        def __iter__(self) -> Iterator[dict[str, np.ndarray]]:
            nonlocal now
            for image in super().__iter__():
                yield image
                now += 10

    images = Slow(feeds(1, 4, 8, 8, count=9))
    plan = plan_of(model, w=few_levels(weight_of(model), 0))
    _, report = round_weights(model, plan, images, time_limit=60)
    assert report.images in (3, 4)
    assert not report.complete
    assert [layer.weight for layer in report.layers] == ["w"], "what was seen is used"


def test_the_same_seed_gives_the_same_weights() -> None:
    model = one_op("Conv <pads = [1,1,1,1]>", (1, 4, 20, 20), normal(6, 4, 3, 3))
    plan = plan_of(model, w=few_levels(weight_of(model), 0))
    first, second, other = (
        round_weights(model, plan, feeds(1, 4, 20, 20), time_limit=60, seed=seed)[1].layers[0].rounded
        for seed in (1, 1, 2)
    )
    assert first == second
    assert first != other, "other positions were looked at"


def test_a_weight_that_two_ops_share_suits_both() -> None:
    text = """<ir_version: 8, opset_import: ["" : 17]>
        g (float[1,4,8,8] x) => (float y) {{ [a] c = Conv <pads = [1,1,1,1]> (x, w)  [b] y = {second} }}"""
    model = model_from_text(text.format(second="Conv (c, w)"), w=normal(4, 4, 3, 3))
    grid = few_levels(weight_of(model), 0)
    changed, report = round_weights(model, plan_of(model, w=grid), feeds(1, 4, 8, 8), time_limit=60)
    (layer,) = report.layers
    assert layer.nodes == ("a", "b")
    assert layer.rounded < layer.nearest
    assert np.array_equal(grid.dequantise(grid.quantise(weight_of(changed))), weight_of(changed))
    other = model_from_text(text.format(second="Mul (c, w)").replace("8,8", "3,3"), w=normal(4, 4, 3, 3))
    kept, report = round_weights(other, plan_of(other, w=grid), feeds(1, 4, 3, 3), time_limit=60)
    assert report.layers == ()
    assert "another op" in report.skipped["w"]
    assert np.array_equal(weight_of(kept), weight_of(other))


def test_inputs_that_are_always_zero_and_a_dead_layer() -> None:
    weight = normal(6, 4, 3, 3)
    model = one_op("Conv", (1, 4, 8, 8), weight)
    grid = few_levels(weight, 0)
    dead = [{"x": np.zeros((1, 4, 8, 8), np.float32)}]
    changed, report = round_weights(model, plan_of(model, w=grid), dead, time_limit=60)
    assert np.array_equal(weight_of(changed), nearest(model, grid))
    assert (report.layers[0].nearest, report.layers[0].rounded) == (0.0, 0.0)
    half = feeds(1, 4, 8, 8)
    for image in half:
        image["x"][:, 1] = 0
    changed, _ = round_weights(model, plan_of(model, w=grid), half, time_limit=60)
    assert np.array_equal(weight_of(changed)[:, 1], nearest(model, grid)[:, 1])


def test_centred_lets_the_mean_go() -> None:
    """Without the mean in the objective, the rest of the error gets smaller and the mean may not."""
    model, images = one_op("Conv", (1, 4, 12, 12), normal(6, 4, 3, 3)), feeds(1, 4, 12, 12)
    for image in images:
        image["x"] += 3
    plan = plan_of(model, w=few_levels(weight_of(model), 0))
    exact = run(model, images)
    spread = []
    for centred in (False, True):
        changed, _ = round_weights(model, plan, images, time_limit=60, centred=centred)
        error = run(changed, images) - exact
        spread.append(float((error - error.mean(axis=(0, 1, 3, 4), keepdims=True)).std()))
    assert spread[1] < spread[0]


def test_several_runs_when_the_moments_do_not_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    model = model_from_text(
        """<ir_version: 8, opset_import: ["" : 17]>
        g (float[1,4,8,8] x) => (float y) { [a] c = Conv (x, w)  [b] y = Conv (c, v) }""",
        w=normal(4, 4, 3, 3),
        v=normal(4, 4, 3, 3, seed=1),
    )
    plan = plan_of(model, w=few_levels(weight_of(model), 0), v=few_levels(weight_of(model, "v"), 0))
    monkeypatch.setattr("edgewright.quant.weight_rounding._BUDGET", 1)
    _, report = round_weights(model, plan, feeds(1, 4, 8, 8), time_limit=60)
    assert {layer.weight for layer in report.layers} == {"w", "v"}
    assert report.complete


def test_no_images_is_an_error() -> None:
    model = one_op("Conv", (1, 4, 8, 8), normal(6, 4, 3, 3))
    with pytest.raises(DataError, match="no images"):
        round_weights(model, plan_of(model, w=few_levels(weight_of(model), 0)), [], time_limit=60)
