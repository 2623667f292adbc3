"""Blocks as real detectors have them, and what `differentiate` promises beyond single rules."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest

from edgewright.graph.adjoint import Build, differentiate, with_shapes
from tests.graph.adjoint.differences import check, gradients, graph, spread
from tests.helpers import model_from_text, normal


def test_a_silu_block_with_a_skip() -> None:
    body = """
        a = Conv <pads = [1,1,1,1]> (x, w1, b1) s = Sigmoid (a) m = Mul (a, s)
        d = Conv <pads = [1,1,1,1], group = 4> (m, w2) t = Sigmoid (d) n = Mul (d, t)
        p = Conv (n, w3) y = Add (p, x)"""
    check(
        graph(
            [1, 3, 4, 4], "y", body, w1=normal(4, 3, 3, 3), b1=normal(4), w2=normal(4, 1, 3, 3), w3=normal(3, 4, 1, 1)
        )
    )


def test_a_feature_pyramid() -> None:
    body = """
        a = Conv <strides = [2,2], pads = [1,1,1,1]> (x, w1) r = LeakyRelu <alpha = 0.1> (a)
        b = Conv <strides = [2,2], pads = [1,1,1,1]> (r, w2)
        u = Resize <mode = "nearest"> (b, , scales)
        j = Concat <axis = 1> (u, r)
        y = Conv (j, w3)
        z = MaxPool <kernel_shape = [3,3], pads = [1,1,1,1]> (b)"""
    weights = {"w1": normal(3, 2, 3, 3), "w2": normal(3, 3, 3, 3), "w3": normal(2, 6, 1, 1)}
    check(graph([1, 2, 8, 8], "y, z", body, scales=np.array([1, 1, 2, 2], np.float32), **weights))


def test_a_tail_with_a_distribution_over_bins() -> None:
    body = """
        boxes, classes = Split <axis = 1> (x, parts)
        bins = Reshape (boxes, apart) t = Transpose <perm = [0, 2, 1, 3]> (bins) p = Softmax <axis = 1> (t)
        e = Conv (p, levels) d = Reshape (e, flat)
        lt = Slice (d, zero, two, one) rb = Slice (d, two, four, one)
        from = Sub (anchors, lt) to = Add (rb, anchors)
        sum = Add (from, to) centre = Div (sum, half) size = Sub (to, from)
        box = Concat <axis = 1> (centre, size) pixels = Mul (box, strides)
        scores = Sigmoid (classes) y = Concat <axis = 1> (pixels, scores)"""
    constants = {
        "parts": np.array([16, 3]),
        "apart": np.array([1, 4, 4, 6]),
        "flat": np.array([1, 4, 6]),
        "zero": np.array([0]),
        "one": np.array([1]),
        "two": np.array([2]),
        "four": np.array([4]),
    }
    floats = {
        "levels": np.arange(4, dtype=np.float32).reshape(1, 4, 1, 1),
        "anchors": normal(1, 2, 6),
        "half": np.array(2, np.float32),
        "strides": np.array([[8, 8, 16, 16, 32, 32]], np.float32),
    }
    check(graph([1, 19, 6], "y", body, **{name: value.astype(np.int64) for name, value in constants.items()}, **floats))


def test_self_attention() -> None:
    body = """
        q = MatMul (x, wq) k = MatMul (x, wk) v = MatMul (x, wv)
        kt = Transpose <perm = [0, 2, 1]> (k) s = MatMul (q, kt) p = Softmax (s) o = MatMul (p, v)
        r = Add (o, x) y = LayerNormalization (r, scale, bias)"""
    weights = {name: normal(4, 4, seed=seed) for seed, name in enumerate(["wq", "wk", "wv"])}
    # the differences are the coarse side here: normalisation bends strongly
    check(graph([1, 5, 4], "y", body, 17, **weights, scale=normal(4), bias=normal(4)), tolerance=1e-2)


def test_an_output_that_is_read_inside_too() -> None:
    model = graph([2, 3], "a, y", "a = Sigmoid (x) y = Mul (a, a)")
    check(model)
    x = spread((2, 3))
    found, vectors, _ = gradients(model, {"x": x})
    a = 1 / (1 + np.exp(-x))
    np.testing.assert_allclose(found["a"], vectors["a_seed"] + 2 * a * vectors["y_seed"], rtol=1e-4)


def test_every_activation_has_a_gradient_and_no_initialiser() -> None:
    model = graph(
        [1, 3, 4, 4],
        "y",
        "a = Conv (x, w) r = Relu (a) s = Shape (r) y = Mul (r, c)",
        w=normal(2, 3, 1, 1),
        c=normal(1),
    )
    found, _, adjoint = gradients(model, {"x": normal(1, 3, 4, 4)})
    assert set(found) == {"x", "a", "r", "y"}
    assert adjoint.unknown == ()


def test_what_no_seed_depends_on_has_no_gradient() -> None:
    changed = with_shapes(graph([2, 3], "y, z", "a = Neg (x) y = Exp (a) b = Erf (x) z = Abs (b)"))
    output = changed.graph.outputs[0]
    seed = ir.Value(name="seed", type=ir.TensorType(ir.DataType.FLOAT), shape=output.shape)
    assert set(differentiate(changed.graph, {output: seed}).gradients) == {"y", "a", "x"}


def test_two_seeds_share_what_does_not_depend_on_them() -> None:
    changed = with_shapes(graph([2, 3], "y", "a = Sigmoid (x) b = Sigmoid (a) y = Sigmoid (b)"))
    output, forward = changed.graph.outputs[0], 3
    build = Build(changed.graph)
    counts = []
    for number in range(2):
        seed = ir.Value(name=f"seed{number}", type=ir.TensorType(ir.DataType.FLOAT), shape=output.shape)
        before = len(changed.graph)
        differentiate(changed.graph, {output: seed}, build, first=forward)
        counts.append(len(changed.graph) - before)
    assert counts[1] == 3  # a product a node
    assert counts[0] > counts[1]


def test_the_graph_inside_a_node_is_seen() -> None:
    model = model_from_text(
        """<ir_version: 8, opset_import: ["" : 17]>
        g (float[3] x, bool[1] c) => (float[3] y) {
            a = Neg (x)
            b = If (c) <
                then_branch = t () => (float[3] p) { p = Exp (a) },
                else_branch = e () => (float[3] q) { q = Identity (a) }
            >
            y = Add (b, x)
        }"""
    )
    _, _, adjoint = gradients(model, {"x": normal(3), "c": np.array([True])})
    assert len(adjoint.unknown) == 1
    assert adjoint.incomplete == {"a", "x"}


def test_stale_shapes_are_not_believed() -> None:
    model = graph([2, 3], "y", "a = Add (x, c) y = Mul (a, a)", c=normal(3))
    node = next(iter(model.ir.graph))
    node.outputs[0].shape = ir.Shape([7, 7])
    check(model)


def test_a_seed_of_another_shape_is_refused() -> None:
    changed = with_shapes(graph([2, 3], "y", "y = Neg (x)"))
    seed = ir.Value(name="seed", type=ir.TensorType(ir.DataType.FLOAT), shape=ir.Shape([3]))
    with pytest.raises(ValueError, match="must have shape"):
        differentiate(changed.graph, {changed.graph.outputs[0]: seed})
