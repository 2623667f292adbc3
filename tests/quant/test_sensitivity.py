from __future__ import annotations

from typing import Any

import numpy as np
import onnx_ir as ir
import pytest
from numpy.typing import NDArray

from edgewright.errors import DataError, UserError
from edgewright.graph.model import Model
from edgewright.graph.reference import ReferenceSession
from edgewright.graph.steps.base import PrepareOptions
from edgewright.graph.steps.static_shapes import run as fix_shapes
from edgewright.quant import sensitivity, sensitivity_graph
from edgewright.quant.grids import activation_grid, weight_grid
from edgewright.quant.sensitivity import Effects, effects
from edgewright.tensors import Grid, Part
from tests.helpers import model_from_text, normal

Images = list[dict[str, NDArray[np.float32]]]

NETWORK = """
<ir_version: 8, opset_import: ["" : 13]>
net (float[1,3,16,16] x) => (float[] boxes, float[] scores) {
    a = Conv <pads = [1,1,1,1]> (x, w1, b1)
    s = Sigmoid (a)
    m = Mul (a, s)
    d = Conv <pads = [1,1,1,1], group = 8> (m, w2)
    r = Relu (d)
    p = Conv <strides = [2,2], pads = [1,1,1,1]> (r, w3)
    q = MaxPool <kernel_shape = [3,3], pads = [1,1,1,1]> (p)
    c = Concat <axis = 1> (p, q)
    boxes = Conv (c, w4)
    h = Conv (c, w5)
    scores = Sigmoid (h)
}
"""
PARTS = (Part("boxes", "boxes"), Part("scores", "scores"))


def prepared(text: str, **weights: NDArray[Any]) -> Model:
    model = model_from_text(text, **weights)
    fixed = fix_shapes(model, PrepareOptions())
    return fixed[0] if fixed else model


def network() -> Model:
    return prepared(
        NETWORK,
        w1=normal(8, 3, 3, 3, scale=0.4),
        b1=normal(8),
        w2=normal(8, 1, 3, 3, scale=0.4),
        w3=normal(8, 8, 3, 3, scale=0.2),
        w4=normal(4, 16, 1, 1),
        w5=normal(5, 16, 1, 1, scale=0.3),
    )


def images(count: int, shape: tuple[int, ...] = (1, 3, 16, 16)) -> Images:
    generator = np.random.default_rng(5)
    return [{"x": generator.normal(size=shape).astype(np.float32)} for _ in range(count)]


def all_values(model: Model, feeds: Images) -> dict[str, list[NDArray[np.float32]]]:
    """Every float activation over the images."""
    shown = model.clone()
    outputs = {value.name for value in shown.graph.outputs}
    shown.graph.outputs.extend(value for node in shown.graph for value in node.outputs if value.name not in outputs)
    session = ReferenceSession(bytes(ir.to_proto(shown).SerializeToString()), optimise=False)
    found: dict[str, list[NDArray[np.float32]]] = {"x": [image["x"] for image in feeds]}
    for image in feeds:
        for name, value in session(image).items():
            found.setdefault(name, []).append(value)
    return found


def injected(model: Model, name: str, grid: Grid, feeds: Images, parts: tuple[Part, ...]) -> NDArray[np.float64]:
    """Squared relative error of each part with one activation really quantised."""
    values = all_values(model, feeds)[name]
    changed = model.clone()
    graph = changed.graph
    value = next(v for v in [*graph.inputs, *(v for node in graph for v in node.outputs)] if v.name == name)
    fed = ir.Value(name="fed", type=ir.TensorType(ir.DataType.FLOAT), shape=ir.Shape(values[0].shape))
    graph.inputs.append(fed)
    for usage in list(value.uses()):
        usage.node.replace_input_with(usage.idx, fed)
    session = ReferenceSession(bytes(ir.to_proto(changed).SerializeToString()))
    plain = ReferenceSession(model.data)
    error, norm = np.zeros(len(parts)), np.zeros(len(parts))
    for image, exact in zip(feeds, values, strict=True):
        quantised = grid.dequantise(grid.quantise(exact))
        moved, wanted = session({**image, "fed": quantised}), plain(image)
        if value.is_graph_output():
            moved[name] = quantised
        for number, part in enumerate(parts):
            error[number] += ((part.take(moved).astype(np.float64) - part.take(wanted)) ** 2).sum()
            norm[number] += (part.take(wanted).astype(np.float64) ** 2).sum()
    return error / norm


def candidates(values: dict[str, list[NDArray[np.float32]]], shares: tuple[float, ...]) -> dict[str, list[Grid]]:
    """Grids over shares of the range of each tensor."""
    return {
        name: [activation_grid(np.min(v) * share, np.max(v) * share, "uint8", False) for share in shares]
        for name, v in values.items()
    }


def test_prediction_against_injection() -> None:
    model, feeds = network(), images(6)
    grids = candidates(all_values(model, feeds), (1.0, 0.5))
    found = effects(model, PARTS, grids, feeds, draws=6)
    assert found.unknown == ()
    assert found.stops == ()
    assert found.images == 6
    assert list(found.projected) == list(grids)
    for candidate, forms in ((0, ("diagonal", "projected")), (1, ("projected",))):
        true = np.array([injected(model, name, grids[name][candidate], feeds, PARTS) for name in grids])
        for form in forms:
            told = np.array([getattr(found, form)[name][candidate] for name in grids])
            reached = true > 1e-12
            assert ((told > 0) == reached).all()
            ratio = np.sqrt(told[reached] / true[reached])
            assert np.abs(ratio - 1).mean() < 0.3, (candidate, form, ratio)
            for part in range(len(PARTS)):
                order = [np.argsort(np.argsort(column[:, part])) for column in (told, true)]
                assert np.corrcoef(*order)[0, 1] > 0.9


LINE = """
<ir_version: 8, opset_import: ["" : 13]>
line (float[1,4,6,6] x) => (float[] y) {
    a = Conv <group = 2, strides = [2,1]> (x, w, b)
    n = Neg (a)
    t = ConvTranspose (n, u)
    f = Flatten (t)
    m = MatMul (f, v)
    g = Gemm <transB = 1> (m, k, c)
    y = Mul (g, scale)
}
"""


def line() -> Model:
    """A linear network with one number as its output: there every prediction is exact."""
    return prepared(
        LINE,
        w=normal(6, 2, 3, 3),
        b=normal(6),
        u=normal(6, 2, 2, 2),
        v=normal(30, 5),
        k=normal(1, 5),
        c=normal(1),
        scale=np.array([0.7], np.float32),
    )


@pytest.mark.parametrize("dtype", ["uint8", "int8", "uint16", "int16"])
@pytest.mark.parametrize("share", [1.0, 0.3])
def test_exact_on_a_linear_network_with_one_output(dtype: str, share: float) -> None:
    model, feeds, part = line(), images(3, (1, 4, 6, 6)), (Part("y", "y"),)
    values = all_values(model, feeds)
    grids = {name: [activation_grid(np.min(v) * share, np.max(v) * share, dtype, False)] for name, v in values.items()}
    found = effects(model, part, grids, feeds)
    for name, (grid,) in grids.items():
        wanted = injected(model, name, grid, feeds, part)
        # rounding of float32 is all that the errors of 16 bits stand out from
        floor = 1e-12 if "16" in dtype else 0
        np.testing.assert_allclose(found.projected[name][0], wanted, rtol=2e-2, atol=floor, err_msg=name)


def test_candidates_of_several_types_keep_their_order() -> None:
    model, feeds, part = line(), images(2, (1, 4, 6, 6)), (Part("y", "y"),)
    low, high = np.min(all_values(model, feeds)["a"]), np.max(all_values(model, feeds)["a"])
    types = ["uint8", "uint16", "int8", "uint8"]
    grids = [activation_grid(low / (i + 1), high / (i + 1), dtype, False) for i, dtype in enumerate(types)]
    found = effects(model, part, {"a": grids}, feeds)
    for number, grid in enumerate(grids):
        wanted = injected(model, "a", grid, feeds, part)
        np.testing.assert_allclose(found.projected["a"][number], wanted, rtol=2e-2, err_msg=str(number))


def test_the_diagonal_form_is_the_sum_of_squares() -> None:
    model = prepared(
        '<ir_version: 8, opset_import: ["" : 13]> g (float[1,5] x) => (float[] y) { y = MatMul (x, w) }',
        w=normal(5, 1),
    )
    feeds = images(1, (1, 5))
    grid = activation_grid(-2, 2, "uint8", False)
    found = effects(model, (Part("y", "y"),), {"x": [grid]}, feeds)
    x, w = feeds[0]["x"], normal(5, 1)
    error = grid.dequantise(grid.quantise(x)) - x
    norm = float((x @ w).item()) ** 2
    assert found.diagonal["x"][0, 0] == pytest.approx(float(((w[:, 0] * error[0]) ** 2).sum()) / norm, rel=1e-3)
    assert found.projected["x"][0, 0] == pytest.approx(float((error @ w).item()) ** 2 / norm, rel=1e-3)


@pytest.mark.parametrize("name", ["w", "b", "u", "v", "k", "c", "scale"])
def test_errors_of_initialisers_are_exact_there_too(name: str) -> None:
    model, feeds, part = line(), images(3, (1, 4, 6, 6)), (Part("y", "y"),)
    tensor = model.ir.graph.initializers[name].const_value
    assert tensor is not None
    held = tensor.numpy()
    errors = [normal(*held.shape, seed=seed, scale=0.01) for seed in range(2)]
    found = effects(model, part, {}, feeds, weight_errors={name: errors})
    for number, error in enumerate(errors):
        changed = model.clone()
        moved = ir.tensor(held + error, name=name)
        changed.graph.initializers[name].const_value = moved
        session, plain = ReferenceSession(Model(changed).data), ReferenceSession(model.data)
        pairs = [(session(image)["y"].item(), plain(image)["y"].item()) for image in feeds]
        wanted = sum((a - b) ** 2 for a, b in pairs) / sum(b**2 for _, b in pairs)
        assert found.projected[name][number, 0] == pytest.approx(wanted, rel=5e-3)


def test_a_weight_that_two_nodes_read_errs_in_both() -> None:
    model = prepared(
        """<ir_version: 8, opset_import: ["" : 13]> g (float[1,4] x) => (float[] y)
        { a = MatMul (x, w) b = MatMul (a, w) s = Sub (b, a) y = MatMul (s, v) }""",
        w=normal(4, 4),
        v=normal(4, 1),
    )
    feeds, error = images(1, (1, 4)), normal(4, 4, seed=3, scale=1e-3)
    found = effects(model, (Part("y", "y"),), {}, feeds, weight_errors={"w": [error]})
    x, w, v = feeds[0]["x"].astype(np.float64), normal(4, 4).astype(np.float64), normal(4, 1)
    first_order = (x @ error @ w + x @ w @ error - x @ error) @ v
    assert found.projected["w"][0, 0] == pytest.approx((first_order / ((x @ w @ w - x @ w) @ v)).item() ** 2, rel=1e-3)


def test_weights_of_positions() -> None:
    model = prepared(
        '<ir_version: 8, opset_import: ["" : 13]> g (float[1,6] x) => (float[] y) { y = MatMul (x, w) }',
        w=normal(6, 2),
    )
    feeds, grid = images(2, (1, 6)), activation_grid(-1, 1, "uint8", False)
    asked: list[tuple[int, ...]] = []

    def second_only(outputs: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        asked.append(outputs["y"].shape)
        return {"y": np.array([[0.0, 3.0]])}

    found = effects(model, (Part("y", "y"),), {"x": [grid]}, feeds, weigh=second_only)
    alone = effects(model, (Part("y2", "y", start=1, stop=2),), {"x": [grid]}, feeds)
    assert asked == [(1, 2)] * 2
    assert found.projected["x"][0, 0] == pytest.approx(alone.projected["x"][0, 0], rel=1e-4)


def same(one: Effects, other: Effects) -> None:
    assert one.diagonal.keys() == other.diagonal.keys()
    for name in one.diagonal:
        np.testing.assert_allclose(one.diagonal[name], other.diagonal[name], rtol=1e-4)
        np.testing.assert_allclose(one.projected[name], other.projected[name], rtol=1e-3, atol=1e-12)


def test_groups_give_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    model, feeds = network(), images(2)
    grids = candidates(all_values(model, feeds), (1.0, 0.7, 0.5))
    errors = {name: [normal(*shape, scale=0.01)] for name, shape in (("w1", (8, 3, 3, 3)), ("w4", (4, 16, 1, 1)))}
    wanted = effects(model, PARTS, grids, feeds, weight_errors=errors, draws=2)
    graphs: list[int] = []
    made = sensitivity.effect_graph
    monkeypatch.setattr(sensitivity, "effect_graph", lambda *a: graphs.append(len(a[1])) or made(*a))
    monkeypatch.setattr(sensitivity, "_BUDGET", 1)
    monkeypatch.setattr(sensitivity, "_LARGEST_GRAPH", 1)
    monkeypatch.setattr(sensitivity_graph, "_CHUNK", 1)
    same(wanted, effects(model, PARTS, grids, feeds, weight_errors=errors, draws=2))
    assert graphs == [1] * 8


def test_the_same_for_a_seed_and_another_for_another() -> None:
    model, feeds = network(), images(2)
    grids = candidates({"m": all_values(model, feeds)["m"]}, (1.0,))
    one, two, other = (effects(model, PARTS, grids, iter(feeds), seed=seed) for seed in (3, 3, 4))
    np.testing.assert_array_equal(one.projected["m"], two.projected["m"])
    assert (one.projected["m"] != other.projected["m"]).all()


def test_what_reaches_one_part_only() -> None:
    model, feeds = network(), images(2)
    found = effects(model, PARTS, {"h": [activation_grid(-1, 1, "uint8", False)]}, feeds)
    assert found.diagonal["h"][0, 0] == found.projected["h"][0, 0] == 0
    assert found.diagonal["h"][0, 1] > 0


def test_tensors_behind_which_the_gradient_stops_are_named() -> None:
    model = prepared(
        """<ir_version: 8, opset_import: ["" : 13]> g (float[6] x) => (float[] y)
        { a = Neg (x) b = CumSum (a, axis) r = Sqrt (b) y = Mul (r, r) }""",
        axis=np.array(0, np.int64),
    )
    grids = {name: [activation_grid(-1, 1, "uint8", False)] for name in ("a", "b", "y")}
    feeds = [{"x": -np.arange(6, dtype=np.float32)}]
    found = effects(model, (Part("y", "y", axis=0),), grids, feeds, weight_errors={})
    assert found.unknown == ("a", "b")  # b has an infinite slope at 0
    assert len(found.stops) == 1
    assert set(found.diagonal) == set(found.projected) == {"y"}


def test_bad_input() -> None:
    model, feeds, grid = network(), images(1), activation_grid(-1, 1, "uint8", False)
    with pytest.raises(DataError, match="no images"):
        effects(model, PARTS, {"m": [grid]}, [])
    with pytest.raises(UserError, match="no tensor 'mm'"):
        effects(model, PARTS, {"mm": [grid]}, feeds)
    with pytest.raises(UserError, match="no initialiser 'm'"):
        effects(model, PARTS, {}, feeds, weight_errors={"m": [normal(1)]})
    with pytest.raises(UserError, match="must have its shape"):
        effects(model, PARTS, {}, feeds, weight_errors={"w1": [normal(1)]})
    with pytest.raises(UserError, match="cannot be followed back"):
        effects(model, (Part("p", "nothing"),), {"m": [grid]}, feeds)
    with pytest.raises(ValueError, match="one grid for the whole tensor"):
        effects(model, PARTS, {"m": [weight_grid(normal(8, 2), "int8", 0)]}, feeds)
    assert effects(model, PARTS, {}, feeds).diagonal == {}


def test_the_last_tensors_are_written_last() -> None:
    """ONNX Runtime begins with them, and so frees each gradient at once."""
    model, grid = network(), activation_grid(-1, 1, "uint8", False)
    names = ["p", "scores", "x", "m", "r"]
    errors = {"w5": [normal(5, 16, 1, 1)], "w1": [normal(8, 3, 3, 3)]}
    graph = sensitivity_graph.effect_graph(model, PARTS, {name: [grid] for name in names}, errors)
    order = [block.tensor for block in graph.blocks]
    assert order == ["x", "w1", "m", "r", "p", "w5", "scores"]
