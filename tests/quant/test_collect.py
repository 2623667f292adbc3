from __future__ import annotations

import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx_ir as ir
import psutil
import pytest
from numpy.typing import NDArray
from onnx import helper

from edgewright.errors import DataError, ToolchainError, UserError
from edgewright.graph.io import load_model
from edgewright.graph.model import Model
from edgewright.quant import accumulate, collect
from edgewright.quant.collect import collect_statistics
from edgewright.quant.statistics import TensorStatistics
from tests.quant.graphs import model_of, network, raw_values

TENSORS = ["x", "conv", "sigmoid", "silu", "relu", "nothing", "mean", "out"]
DEMO = Path(__file__).resolve().parents[2] / "demo" / "detector.onnx"


def images(count: int, seed: int = 0) -> list[dict[str, NDArray[Any]]]:
    rng = np.random.default_rng(seed)
    return [{"x": (rng.standard_normal((1, 3, 16, 16)) * (1 + i)).astype(np.float32)} for i in range(count)]


def assert_numbers(found: TensorStatistics, values: NDArray[np.float32], rounding: float = 0.0) -> None:
    finite = values[np.isfinite(values)].astype(np.float64)
    near = {"rel": max(rounding, 1e-15), "abs": rounding}
    assert found.count == finite.size
    assert found.non_finite == values.size - finite.size
    assert found.minimum == pytest.approx(finite.min(initial=np.inf) if finite.size else 0.0, **near)
    assert found.maximum == pytest.approx(finite.max(initial=-np.inf) if finite.size else 0.0, **near)
    scale = np.abs(finite).sum() + 1e-30
    assert found.sum == pytest.approx(finite.sum(), rel=1e-5, abs=1e-5 * scale)
    assert found.sum_of_squares == pytest.approx((finite**2).sum(), rel=1e-5)


def assert_histogram(found: TensorStatistics, values: NDArray[np.float32]) -> None:
    """Counts must be those of the values as float16 tells them."""
    assert found.histogram is not None
    rounded = values[np.isfinite(values)].astype(np.float16).astype(np.float64)
    expected, _ = np.histogram(rounded, found.histogram.edges)
    np.testing.assert_array_equal(found.histogram.counts, expected)
    assert found.histogram.total == found.count


@pytest.mark.parametrize("histogram", [False, True])
def test_against_numpy_on_the_raw_tensors(histogram: bool) -> None:
    model, data = network(), images(5)
    reported: list[int] = []
    found = collect_statistics(model, TENSORS, data, histogram=histogram, threads=1, on_image=reported.append)
    assert reported == [1, 2, 3, 4, 5]
    assert list(found) == TENSORS
    for name, values in raw_values(model, TENSORS, data).items():
        # observing a tensor keeps ONNX Runtime from fusing it away, and a fused Conv rounds differently
        assert_numbers(found[name], values, rounding=1e-5)
        assert found[name].images == 5
        if not histogram:
            assert found[name].histogram is None
    assert found["nothing"].range_with_zero == (0, 0)
    assert found["mean"].count == 5


def test_histograms_are_exact_where_the_runtime_does_no_arithmetic() -> None:
    nodes = [helper.make_node("Relu", ["x"], ["relu"]), helper.make_node("Concat", ["relu", "x"], ["out"], axis=1)]
    model, data = model_of(nodes, ["out"], [1, 3, 16, 16]), images(7)
    found = collect_statistics(model, ["x", "relu", "out"], iter(data), histogram=True, threads=2)
    for name, values in raw_values(model, ["x", "relu", "out"], data).items():
        assert_numbers(found[name], values)
        assert (found[name].minimum, found[name].maximum) == (values.min(), values.max())
        assert_histogram(found[name], values)


def test_halves_are_even_and_odd_images() -> None:
    model, data = network(), images(5)
    found = collect_statistics(model, ["x"], data, histogram=False)["x"]
    for half, start in zip(found.halves, (0, 1), strict=True):
        values = np.concatenate([image["x"].reshape(-1) for image in data[start::2]])
        assert half == (values.min(), values.max())
    assert collect_statistics(model, ["x"], data[:1], histogram=False)["x"].halves[1] is None


def test_full_tables_are_emptied_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    model, data = network(), images(6)
    wanted = collect_statistics(model, TENSORS, data, histogram=True)
    monkeypatch.setattr(accumulate, "_EXACT", 1000)  # one image of "conv" has 1536 values
    small = collect_statistics(model, TENSORS, data, histogram=True)
    monkeypatch.setattr(accumulate, "_KEPT_TABLES", 0)
    none = collect_statistics(model, TENSORS, data, histogram=True)
    for name in TENSORS:
        for other in (small, none):
            np.testing.assert_array_equal(other[name].histogram.counts, wanted[name].histogram.counts)  # type: ignore[union-attr]


def test_counts_stay_exact_beyond_float32() -> None:
    codes = accumulate.CodeHistograms(["t"])
    block = np.zeros((1 << 22) + 1, np.float16)
    for _ in range(5):
        codes.add_codes("t", block)
    assert codes.histogram("t").total == 5 * block.size  # 20971525: odd, and above 2**24


def test_groups_give_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    model, data = network(), images(4)
    wanted = collect_statistics(model, TENSORS, data, histogram=True)
    sessions: list[object] = []
    monkeypatch.setattr(collect, "_BUDGET", 8000)
    made = collect.BoundSession
    monkeypatch.setattr(collect, "BoundSession", lambda *a, **k: sessions.append(1) or made(*a, **k))
    found = collect_statistics(model, TENSORS, data, histogram=True)
    assert len(sessions) > 2
    assert list(found) == TENSORS
    for name in TENSORS:
        # other fusions, other rounding; no count may be lost
        assert found[name].count == wanted[name].count
        assert found[name].maximum == pytest.approx(wanted[name].maximum, rel=1e-5)


@pytest.mark.parametrize("histogram", [False, True])
def test_nan_and_infinity_are_counted_and_left_out(histogram: bool) -> None:
    nodes = [helper.make_node("Identity", ["x"], ["same"]), helper.make_node("Neg", ["same"], ["out"])]
    model = model_of(nodes, ["out"], [1, 3, 16, 16])
    data = images(6)
    rng = np.random.default_rng(2)
    for image, bad in zip(data, [(), (np.nan,), (np.inf,), (-np.inf, np.inf), (np.nan, np.inf), ()], strict=True):
        flat = image["x"].reshape(-1)
        flat[rng.choice(flat.size, len(bad), replace=False)] = bad
    data[4]["x"][0, 1] = np.nan
    found = collect_statistics(model, ["x", "same", "out"], data, histogram=histogram)
    for name, values in raw_values(model, ["x", "same", "out"], data).items():
        assert found[name].holds_non_finite
        assert_numbers(found[name], values)
        if histogram:
            assert found[name].histogram.total == found[name].count  # type: ignore[union-attr]
    everything = [{"x": np.full((1, 3, 16, 16), np.nan, np.float32)}]
    only = collect_statistics(model, ["same"], everything, histogram=histogram)["same"]
    assert (only.count, only.non_finite, only.minimum, only.maximum) == (0, 768, 0.0, 0.0)
    assert only.halves == (None, None)


@pytest.mark.parametrize("scale", [1e-30, 1e-6, 1e5, 1e25])
def test_sizes_that_float16_does_not_hold(scale: float) -> None:
    model = model_of([helper.make_node("Identity", ["x"], ["out"])], ["out"], [1, 3, 16, 16])
    data = [{"x": image["x"] * np.float32(scale)} for image in images(4)]
    found = collect_statistics(model, ["x"], data, histogram=True)["x"]
    values = raw_values(model, ["x"], data)["x"]
    assert (found.minimum, found.maximum, found.non_finite) == (values.min(), values.max(), 0)
    assert found.histogram is not None
    expected, _ = np.histogram(values.astype(np.float64), found.histogram.edges)
    np.testing.assert_array_equal(found.histogram.counts, expected)
    assert found.histogram.counts.size > 1000


def test_growth_from_image_to_image() -> None:
    model = model_of([helper.make_node("Identity", ["x"], ["out"])], ["out"], [1, 3, 16, 16])
    data = [{"x": image["x"] * np.float32(s)} for image, s in zip(images(5), (1e-5, 1, 3e4, 1e7, 1), strict=True)]
    found = collect_statistics(model, ["x"], data, histogram=True)["x"]
    values = raw_values(model, ["x"], data)["x"]
    assert (found.minimum, found.maximum) == (values.min(), values.max())
    assert found.histogram is not None
    assert found.histogram.total == values.size
    exact, _ = np.histogram(values.astype(np.float64), found.histogram.edges)
    assert np.abs(found.histogram.counts - exact).sum() <= 4  # float16 may move a value over an edge


@pytest.mark.parametrize("histogram", [False, True])
def test_empty_and_changing_shapes(histogram: bool) -> None:
    nodes = [
        helper.make_node("Slice", ["x", "zero", "zero", "two"], ["none"]),
        helper.make_node("Relu", ["x"], ["relu"]),
        helper.make_node("Greater", ["x", "big"], ["more"]),
        helper.make_node("Compress", ["x", "mask"], ["picked"]),
        helper.make_node("Concat", ["none", "relu"], ["out"], axis=2),
    ]
    constants = {
        "zero": np.array([0], np.int64),
        "two": np.array([2], np.int64),
        "big": np.float32([2.0]),
        "mask": np.array([True, False, True]),
    }
    model = model_of(nodes[:2] + nodes[3:], ["out", "picked"], ["n", 3, "h", 16], **constants)
    rng = np.random.default_rng(0)
    data = [{"x": rng.standard_normal((n, 3, h, 16)).astype(np.float32)} for n, h in ((1, 4), (2, 8), (1, 16))]
    names = ["x", "none", "relu", "picked"]
    found = collect_statistics(model, names, data, histogram=histogram)
    for name, values in raw_values(model, names, data).items():
        assert_numbers(found[name], values)
    assert found["none"].count == 0
    assert found["relu"].count == sum(image["x"].size for image in data)
    fixed = model_of(nodes[:2] + nodes[4:], ["out"], [1, 3, 16, 16], **constants)
    assert collect_statistics(fixed, ["none", "relu"], images(2), histogram=histogram)["none"].count == 0


def test_stale_shapes_in_the_file_are_not_believed() -> None:
    # ONNX cannot tell the shape behind an operator of another domain, and what the file says about it is wrong
    nodes = [
        helper.make_node("Gelu", ["x"], ["gelu"], domain="com.microsoft"),
        helper.make_node("Relu", ["gelu"], ["out"]),
    ]
    model = model_of(nodes, ["out"], [1, 3, 16, 16])
    for node in model.ir.graph:
        node.outputs[0].type = ir.TensorType(ir.DataType.FLOAT)  # a shape without a type is not even written
        node.outputs[0].shape = ir.Shape([1, 6, 2, 2])
    found = collect_statistics(model, ["gelu", "out"], images(2), histogram=False)
    assert [entry.count for entry in found.values()] == [2 * 3 * 16 * 16] * 2


def test_half_precision_tensors() -> None:
    nodes = [helper.make_node("Cast", ["x"], ["half"], to=10), helper.make_node("Relu", ["half"], ["out"])]
    model, data = model_of(nodes, ["out"], [1, 3, 16, 16]), images(3)
    found = collect_statistics(model, ["half", "out"], data, histogram=True)
    for name, values in raw_values(model, ["half", "out"], data).items():
        assert_numbers(found[name], values.astype(np.float32))
        assert_histogram(found[name], values.astype(np.float32))


@pytest.mark.parametrize("name", ["winner", "more"])
def test_tensors_without_a_range_are_refused(name: str) -> None:
    with pytest.raises(UserError, match=f"{name!r} holds (int64|bool)"):
        collect_statistics(network(), ["conv", name], images(1), histogram=False)


@pytest.mark.parametrize("name", ["cnov", "weight"])
def test_unknown_tensors_are_refused(name: str) -> None:
    with pytest.raises(UserError, match=repr(name)) as caught:
        collect_statistics(network(), [name], images(1), histogram=False)
    if name == "cnov":
        assert "conv" in caught.value.todo


def test_no_images_and_wrong_images() -> None:
    with pytest.raises(DataError, match="no images"):
        collect_statistics(network(), ["conv"], [], histogram=False)
    with pytest.raises(ToolchainError):
        collect_statistics(network(), ["conv"], [{"y": np.zeros(3, np.float32)}], histogram=False)


def test_the_model_stays_as_it_is_and_names_cannot_collide() -> None:
    nodes = [helper.make_node("Relu", ["x"], ["edgewright_observed_1"])]
    model = model_of(nodes, ["edgewright_observed_1"], [1, 3, 16, 16])
    before = model.clone()
    found = collect_statistics(model, ["edgewright_observed_1", "x", "x"], images(1), histogram=True)
    assert list(found) == ["edgewright_observed_1", "x"]
    assert len(list(model.ir.graph)) == len(list(before.graph)) == 1
    assert [value.name for value in model.ir.graph.outputs] == ["edgewright_observed_1"]


def test_memory_is_flat_in_the_number_of_images() -> None:
    model = network()
    process = psutil.Process()
    seen: list[tuple[int, int]] = []

    def endless(count: int) -> Iterator[dict[str, NDArray[Any]]]:
        for seed in range(count):
            yield images(1, seed)[0]

    def note(done: int) -> None:
        if done in (20, 400):
            seen.append((process.memory_info().rss, tracemalloc.get_traced_memory()[0]))

    tracemalloc.start()
    try:
        collect_statistics(model, TENSORS, endless(400), histogram=True, threads=1, on_image=note)
    finally:
        tracemalloc.stop()
    (rss, traced), (rss_after, traced_after) = seen
    # keeping the tensors of 380 images would take 12 MB of float16, and the images 1.2 MB
    assert traced_after - traced < 300_000
    assert rss_after - rss < 8_000_000


@pytest.mark.skipif(not DEMO.exists(), reason="the demo model is not in this checkout")
def test_on_the_demo_model() -> None:
    model: Model = load_model(DEMO)
    names = [
        value.name or "" for node in model.ir.graph if node.op_type in ("Conv", "Sigmoid") for value in node.outputs
    ]
    spec = model.inputs[0]
    rng = np.random.default_rng(0)
    data = [{spec.name: rng.random([n or 1 for n in spec.shape], np.float32)} for _ in range(2)]
    found = collect_statistics(model, [spec.name, *names], data, histogram=True)
    for name, values in raw_values(model, [spec.name, *names], data).items():
        assert found[name].count == values.size
        assert found[name].maximum == pytest.approx(values.max(), rel=1e-4, abs=1e-4)
        assert found[name].minimum == pytest.approx(values.min(), rel=1e-4, abs=1e-4)
        assert found[name].histogram.total == values.size  # type: ignore[union-attr]
        exact, _ = np.histogram(values.astype(np.float64), found[name].histogram.edges)  # type: ignore[union-attr]
        moved = np.abs(np.cumsum(found[name].histogram.counts - exact)).max()  # type: ignore[union-attr]
        assert moved <= 0.01 * values.size  # float16 and fused arithmetic move values to a neighbouring bin
