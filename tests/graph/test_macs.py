"""Multiply-accumulates of ops, counted by hand."""

from __future__ import annotations

import pytest

from edgewright.graph.macs import count_macs
from tests.helpers import model_from_text, normal


@pytest.mark.parametrize(
    ("op", "weight", "inputs", "macs"),
    [
        ("Conv <pads = [1,1,1,1]>", (6, 4, 3, 3), "1,4,8,8", 8 * 8 * 6 * 4 * 9),
        ("Conv <pads = [1,1,1,1], strides = [2,2]>", (6, 4, 3, 3), "1,4,8,8", 4 * 4 * 6 * 4 * 9),
        ("Conv <group = 2>", (6, 2, 1, 1), "1,4,8,8", 8 * 8 * 6 * 2),
        ("Conv <group = 4, pads = [1,1,1,1]>", (4, 1, 3, 3), "1,4,8,8", 8 * 8 * 4 * 9),
        ("Conv <pads = [2,2,2,2], dilations = [2,2]>", (2, 4, 3, 3), "1,4,8,8", 8 * 8 * 2 * 4 * 9),
        ("Conv", (6, 4, 3), "2,4,10", 2 * 8 * 6 * 4 * 3),
        ("ConvTranspose <strides = [2,2]>", (4, 6, 2, 2), "1,4,8,8", 8 * 8 * 4 * 6 * 4),
        ("ConvTranspose <strides = [2,2], group = 2>", (4, 3, 2, 2), "1,4,8,8", 8 * 8 * 4 * 3 * 4),
        ("Gemm", (16, 5), "3,16", 3 * 5 * 16),
        ("Gemm <transB = 1>", (5, 16), "3,16", 3 * 5 * 16),
        ("Gemm <transA = 1>", (16, 5), "16,3", 3 * 5 * 16),
        ("MatMul", (16, 5), "2,7,16", 2 * 7 * 5 * 16),
        ("Mul", (1, 4, 1, 1), "1,4,8,8", 0),
    ],
)
def test_ops(op: str, weight: tuple[int, ...], inputs: str, macs: int) -> None:
    model = model_from_text(
        f'<ir_version: 8, opset_import: ["" : 17]> g (float[{inputs}] x) => (y) {{ y = {op} (x, w) }}',
        w=normal(*weight),
    )
    model.ir.graph[0].name = "op"
    assert count_macs(model) == {"op": macs}


def test_activations_multiplied_with_each_other() -> None:
    model = model_from_text(
        """
        <ir_version: 8, opset_import: ["" : 17]>
        g (float[2,3,8,16] q, float[2,3,16,9] k) => (y) { y = MatMul (q, k) }
        """
    )
    assert list(count_macs(model).values()) == [2 * 3 * 8 * 9 * 16]


def test_a_bias_and_an_input_that_is_left_out_count_nothing() -> None:
    model = model_from_text(
        """
        <ir_version: 8, opset_import: ["" : 17]>
        g (float[1,2,4,4] x) => (y, z) {
            y = Conv (x, w, b)
            z = Clip (y, , high)
        }
        """,
        w=normal(3, 2, 1, 1),
        b=normal(3),
        high=normal(1)[0],
    )
    for node in model.ir.graph:
        node.name = node.op_type
    assert count_macs(model) == {"Conv": 4 * 4 * 3 * 2, "Clip": 0}


def test_what_has_no_known_shape_counts_nothing() -> None:
    model = model_from_text(
        """
        <ir_version: 8, opset_import: ["" : 17]>
        g (float[1,2,n,4] x) => (y) { y = Conv (x, w) }
        """,
        w=normal(3, 2, 1, 1),
    )
    assert list(count_macs(model).values()) == [0]
