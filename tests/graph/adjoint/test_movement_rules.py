"""Movement, joins, selections, reductions, products, softmax, normalisation, resize."""

from __future__ import annotations

import numpy as np
import pytest

from tests.graph.adjoint.differences import check, gradients, graph
from tests.helpers import model_from_text, normal


def i64(*numbers: int) -> np.ndarray:
    return np.array(numbers, np.int64)


@pytest.mark.parametrize(
    ("body", "constants"),
    [
        ("y = Reshape (x, s)", {"s": i64(3, -1)}),
        ("y = Flatten <axis = 2> (x)", {}),
        ("y = Unsqueeze (x, s)", {"s": i64(0, 3)}),
        ("y = Squeeze (x, s)", {"s": i64(0)}),
        ("y = Squeeze (x)", {}),
        ("y = Identity (x)", {}),
        ("y = Transpose (x)", {}),
        ("y = Transpose <perm = [0, 3, 1, 2]> (x)", {}),
        ("y = Expand (x, s)", {"s": i64(2, 2, 3, 4, 5)}),
        ("y = Tile (x, s)", {"s": i64(2, 1, 3, 1)}),
        ("d = Cast <to = 11> (x) e = Mul (d, d) y = Cast <to = 1> (e)", {}),
        ("y = Dropout (x)", {}),
        ("y = Gather <axis = 1> (x, s)", {"s": i64(2, 0)}),
        ("y = Gather <axis = 3> (x, s)", {"s": i64(-1, 0, 0, 2, 0)}),
        ("y = Gather <axis = 2> (x, s)", {"s": np.array(1, np.int64)}),
        ("y = Gather <axis = 3> (x, s)", {"s": i64(1, 3, 4, 1).reshape(2, 2)}),
        ("y = Slice (x, s, e)", {"s": i64(0, 1, 1, -3), "e": i64(1, 3, 3, 999)}),
        ("y = Slice (x, s, e, a)", {"s": i64(1), "e": i64(-1), "a": i64(3)}),
        ("y = Slice (x, s, e, a, t)", {"s": i64(1, 0), "e": i64(9, 9), "a": i64(3, -2), "t": i64(2, 3)}),
        ("y = Slice (x, s, e, a, t)", {"s": i64(-1), "e": i64(-999), "a": i64(3), "t": i64(-2)}),
        ("y = Pad (x, s)", {"s": i64(0, 1, 2, 0, 0, 0, 1, 3)}),
        ("y = Pad (x, s, c)", {"s": i64(0, 0, 2, -1, 0, 0, -1, 2), "c": np.float32(0.5)}),
        ('y = Pad <mode = "reflect"> (x, s)', {"s": i64(0, 0, 2, 1, 0, 0, 1, 3)}),
        ('y = Pad <mode = "edge"> (x, s)', {"s": i64(0, 0, 2, 1, 0, 0, 1, 3)}),
        ("a, b = Split <axis = 3> (x, s) c = Mul (b, b) y = Concat <axis = -1> (c, a, b)", {"s": i64(2, 3)}),
        ("a, y = Split <axis = -1> (x, s)", {"s": i64(2, 3)}),
        ("y = Concat <axis = 2> (x, c, x)", {"c": normal(1, 3, 1, 5)}),
        ("y = Concat <axis = 0> (x)", {}),
        ("y = ReduceSum <keepdims = 0> (x, s)", {"s": i64(-1, 1)}),
        ("y = ReduceSum (x)", {}),
        ("y = ReduceSum <noop_with_empty_axes = 1> (x)", {}),
        ("y = ReduceMean <axes = [2, 3]> (x)", {}),
        ("y = ReduceMean <keepdims = 0> (x)", {}),
        ("y = ReduceMax <axes = [1], keepdims = 0> (x)", {}),
        ("y = ReduceMin <axes = [-1]> (x)", {}),
        ("y = ReduceL2 <axes = [1]> (x)", {}),
        ("y = ReduceL1 <axes = [1]> (x)", {}),
        ("y = ReduceSumSquare <axes = [2], keepdims = 0> (x)", {}),
        ("y = Softmax <axis = 1> (x)", {}),
        ("y = Softmax (x)", {}),
        ("y = LogSoftmax <axis = 2> (x)", {}),
        ("y = BatchNormalization (x, s, b, b, v)", {"s": normal(3), "b": normal(3), "v": np.abs(normal(3))}),
        ("y = InstanceNormalization (x, s, b)", {"s": normal(3), "b": normal(3)}),
    ],
)
def test_rules(body: str, constants: dict[str, np.ndarray]) -> None:
    check(graph([1, 3, 4, 5], "y", body, **{name: np.asarray(value) for name, value in constants.items()}))


@pytest.mark.parametrize("axis", [1, -1])
def test_layer_normalisation(axis: int) -> None:
    shape = (4, 6) if axis == 1 else (6,)
    body = f"y = LayerNormalization <axis = {axis}> (x, s, b)"
    check(graph([2, 4, 6], "y", body, 17, s=normal(*shape), b=normal(*shape)))


@pytest.mark.parametrize("kind", ["ReduceMean", "ReduceMax"])
def test_axes_as_an_input(kind: str) -> None:
    check(graph([2, 3, 4], "y", f"y = {kind} <keepdims = 0> (x, a)", 18, a=i64(1, -1)))


def test_pad_along_some_axes() -> None:
    check(graph([2, 3, 4], "y", "y = Pad (x, p, , a)", 18, p=i64(1, 0, 2, 3), a=i64(-1, 0)))


@pytest.mark.parametrize("mode", ["DCR", "CRD"])
def test_depth_and_space(mode: str) -> None:
    check(graph([1, 12, 2, 3], "y", f'y = DepthToSpace <blocksize = 2, mode = "{mode}"> (x)'))
    check(graph([2, 2, 4, 6], "y", "y = SpaceToDepth <blocksize = 2> (x)"))


@pytest.mark.parametrize("trans_a", [0, 1])
@pytest.mark.parametrize("trans_b", [0, 1])
def test_gemm(trans_a: int, trans_b: int) -> None:
    attributes = f"alpha = 0.7, beta = 1.3, transA = {trans_a}, transB = {trans_b}"
    other = normal(*((3, 5) if trans_b else (5, 3)))
    shape = [5, 4] if trans_a else [4, 5]
    check(graph(shape, "y", f"y = Gemm <{attributes}> (x, w, c)", w=other, c=normal(3)))
    left = normal(*((5, 4) if trans_a else (4, 5)))
    shape = [3, 5] if trans_b else [5, 3]
    check(graph(shape, "y", f"b = ReduceSum (x, first) y = Gemm <{attributes}> (w, x, b)", w=left, first=i64(0, 1)))


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ([4, 5], [5, 3]),
        ([2, 4, 5], [5, 3]),
        ([4, 5], [2, 5, 3]),
        ([2, 1, 4, 5], [3, 5, 2]),
        ([5], [5, 3]),
        ([4, 5], [5]),
        ([5], [2, 5, 3]),
        ([2, 4, 5], [5]),
        ([5], [5]),
    ],
)
def test_matmul(left: list[int], right: list[int]) -> None:
    check(graph(left, "y", "y = MatMul (x, w)", w=normal(*right)))
    check(graph(right, "y", "y = MatMul (w, x)", w=normal(*left)))


def test_matmul_of_two_activations() -> None:
    check(graph([2, 4, 5], "y", "t = Transpose <perm = [0, 2, 1]> (x) y = MatMul (x, t)"))


RESIZES = [
    ('mode = "nearest", coordinate_transformation_mode = "asymmetric", nearest_mode = "floor"', [1, 1, 2, 2]),
    ('mode = "nearest"', [1, 1, 2, 3]),
    ('mode = "nearest", coordinate_transformation_mode = "asymmetric"', [1, 1, 3, 4]),
    ('mode = "nearest"', [1, 1, 1.5, 0.5]),
    ('mode = "nearest"', [1, 2, 1, 2]),
    ('mode = "linear"', [1, 1, 2, 2]),
    ('mode = "linear", coordinate_transformation_mode = "align_corners"', [1, 1, 2, 1.6]),
    ('mode = "linear", coordinate_transformation_mode = "asymmetric"', [1, 1, 0.5, 3]),
    ('mode = "linear", coordinate_transformation_mode = "pytorch_half_pixel"', [1, 1, 2, 0.5]),
    ('mode = "cubic"', [1, 1, 2, 2]),
]


@pytest.mark.parametrize(("attributes", "scales"), RESIZES)
def test_resize_by_scales(attributes: str, scales: list[float]) -> None:
    body = f"y = Resize <{attributes}> (x, , scales)"
    check(graph([1, 2, 4, 5], "y", body, scales=np.array(scales, np.float32)))


@pytest.mark.parametrize("mode", ["nearest", "linear"])
def test_resize_by_sizes(mode: str) -> None:
    check(graph([1, 2, 4, 5], "y", f'y = Resize <mode = "{mode}"> (x, , , sizes)', sizes=i64(1, 2, 7, 17)))


def test_resize_of_a_line() -> None:
    check(graph([1, 2, 9], "y", 'y = Resize <mode = "linear"> (x, , s)', s=np.array([1, 1, 2], np.float32)))


@pytest.mark.parametrize(
    "body",
    [
        "y, i = TopK <axis = 0> (x, three)",
        "y = CumSum (x, axis)",
        "i = ArgMax <axis = 0, keepdims = 1> (x) y = Gather (x, i)",
        "y = Gather (x, many)",
        "r = Round (x) y = Add (x, r)",
    ],
)
def test_what_has_no_rule_is_named(body: str) -> None:
    constants = {"three": i64(3), "axis": np.array(0, np.int64), "many": np.zeros(99, np.int64)}
    used = {name: value for name, value in constants.items() if name in body}
    model = graph([6], "y", body, **used)
    for number, node in enumerate(model.ir.graph):
        node.name = f"node{number}"
    found, _, adjoint = gradients(model, {"x": normal(6)})
    assert len(adjoint.unknown) == 1
    assert adjoint.incomplete == {"x"}
    assert set(found) & {"x"} == set()


def test_operators_of_other_domains_have_no_rule() -> None:
    model = model_from_text(
        """<ir_version: 8, opset_import: ["" : 17, "com.microsoft" : 1]>
        g (float[3] x) => (float[3] y) { a = Neg (x) b = com.microsoft.QuickGelu (a) y = Add (b, x) }"""
    )
    _, _, adjoint = gradients(model, {"x": normal(3)})
    assert len(adjoint.unknown) == 1
    assert adjoint.incomplete == {"x", "a", "b"}
