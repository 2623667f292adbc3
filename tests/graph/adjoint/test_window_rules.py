"""Convolutions and pooling, over attributes and shapes."""

from __future__ import annotations

import numpy as np
import pytest

from tests.graph.adjoint.differences import check, gradients, graph
from tests.helpers import normal


def angled(attributes: str) -> str:
    return f"<{attributes}>" if attributes else ""


CONVS = [
    ([1, 4, 5, 6], [6, 4, 3, 3], ""),
    ([1, 4, 5, 6], [6, 4, 3, 3], "pads = [1,1,1,1]"),
    ([1, 4, 5, 6], [6, 4, 1, 1], ""),
    ([1, 4, 5, 6], [6, 4, 1, 1], "strides = [2,2]"),
    ([2, 4, 5, 6], [6, 2, 3, 3], "group = 2, pads = [1,1,1,1]"),
    ([1, 4, 6, 7], [4, 1, 3, 3], "group = 4, strides = [2,2], pads = [1,1,1,1]"),
    ([1, 4, 6, 7], [8, 1, 5, 5], "group = 4, strides = [1,1], pads = [2,2,2,2]"),
    ([1, 2, 9, 8], [3, 2, 3, 3], "strides = [3,2], pads = [0,1,2,0]"),
    ([1, 2, 9, 8], [3, 2, 3, 2], "strides = [3,4]"),
    ([1, 2, 9, 8], [3, 2, 3, 3], "dilations = [2,3], pads = [2,3,1,0]"),
    ([1, 2, 9, 8], [3, 2, 3, 3], "dilations = [2,1], strides = [2,3], pads = [0,1,3,2]"),
    ([1, 2, 4, 4], [3, 2, 3, 3], "pads = [4,3,5,2]"),
    ([1, 2, 9, 8], [3, 2, 3, 3], 'auto_pad = "SAME_UPPER", strides = [2,2]'),
    ([1, 2, 9, 8], [3, 2, 2, 4], 'auto_pad = "SAME_LOWER", strides = [2,3]'),
    ([1, 2, 9, 8], [3, 2, 2, 4], 'auto_pad = "VALID"'),
    ([2, 3, 17], [4, 3, 4], "strides = [3], pads = [2,0]"),
    ([2, 4, 17], [4, 2, 3], "group = 2, pads = [1,1]"),
    ([1, 2, 3, 4, 4], [3, 2, 2, 3, 3], "strides = [1,2,1], pads = [0,1,1,1,0,1]"),
]


@pytest.mark.parametrize(("shape", "weight", "attributes"), CONVS)
def test_conv(shape: list[int], weight: list[int], attributes: str) -> None:
    check(graph(shape, "y", f"y = Conv {angled(attributes)} (x, w, b)", w=normal(*weight), b=normal(weight[0])))


TRANSPOSED = [
    ([1, 4, 3, 4], [4, 3, 3, 3], ""),
    ([1, 4, 3, 4], [4, 3, 2, 2], "strides = [2,2]"),
    ([1, 4, 3, 4], [4, 2, 4, 4], "strides = [2,2], pads = [1,1,1,1], group = 2"),
    ([1, 4, 3, 4], [4, 1, 3, 3], "strides = [2,3], pads = [0,1,1,2], output_padding = [1,2], group = 4"),
    ([1, 4, 3, 4], [4, 3, 3, 2], "dilations = [2,3], strides = [3,2]"),
    ([1, 4, 3, 4], [4, 3, 3, 3], "strides = [2,2], output_shape = [7,8]"),
    ([1, 4, 3, 4], [4, 3, 3, 3], 'strides = [2,2], output_shape = [6,8], auto_pad = "SAME_UPPER"'),
    ([1, 4, 3, 4], [4, 3, 3, 3], 'strides = [2,2], output_shape = [6,8], auto_pad = "SAME_LOWER"'),
    ([1, 4, 3, 4], [4, 3, 3, 3], 'strides = [2,2], auto_pad = "SAME_UPPER"'),
    ([1, 4, 3, 4], [4, 3, 3, 3], 'strides = [2,2], auto_pad = "SAME_LOWER"'),
    ([1, 4, 3, 4], [4, 3, 3, 3], 'strides = [1,2], auto_pad = "VALID"'),
    ([2, 3, 9], [3, 4, 4], "strides = [2], pads = [1,2]"),
]


@pytest.mark.parametrize(("shape", "weight", "attributes"), TRANSPOSED)
def test_conv_transpose(shape: list[int], weight: list[int], attributes: str) -> None:
    check(graph(shape, "y", f"y = ConvTranspose {angled(attributes)} (x, w)", w=normal(*weight)))


def test_bias_that_is_computed() -> None:
    body = "m = ReduceMean <axes = [2, 3], keepdims = 0> (x) b = Reshape (m, flat) y = Conv (x, w, b)"
    check(graph([1, 3, 4, 4], "y", body, w=normal(3, 3, 2, 2), flat=np.array([3], np.int64)))


def test_a_kernel_that_is_computed_has_no_rule() -> None:
    body = "w = Reshape (x, square) y = Conv (x, w)"
    model = graph([1, 3, 2, 2], "y", body, square=np.array([1, 3, 2, 2], np.int64))
    _, _, adjoint = gradients(model, {"x": normal(1, 3, 2, 2)})
    assert len(adjoint.unknown) == 1
    assert adjoint.incomplete == {"w", "x"}
    assert "x" not in adjoint.gradients
    assert "y" in adjoint.gradients


@pytest.mark.parametrize(
    "attributes",
    [
        "kernel_shape = [2,2], strides = [2,2]",
        "kernel_shape = [2,2], strides = [3,3]",
        "kernel_shape = [3,3], strides = [1,1], pads = [1,1,1,1]",
        "kernel_shape = [5,5], strides = [1,1], pads = [2,2,2,2]",
        "kernel_shape = [3,2], strides = [2,1], pads = [1,0,0,1]",
        "kernel_shape = [2,2], strides = [1,2], dilations = [2,1]",
        "kernel_shape = [3,3], strides = [2,2], ceil_mode = 1",
        'kernel_shape = [2,2], strides = [2,2], auto_pad = "SAME_UPPER"',
        "kernel_shape = [2,2], strides = [2,2], ceil_mode = 1",
    ],
)
@pytest.mark.parametrize("opset", [13, 18])
def test_max_pool(attributes: str, opset: int) -> None:
    check(graph([2, 2, 5, 7], "y", f"y = MaxPool <{attributes}> (x)", opset))


def test_max_pool_whose_indices_are_read_too() -> None:
    body = "y, i = MaxPool <kernel_shape = [2,2], strides = [2,2]> (x) f = Cast <to = 1> (i) z = Mul (f, y)"
    check(graph([1, 2, 4, 6], "y, z", body))


def test_max_pools_one_behind_the_other() -> None:
    pool = "MaxPool <kernel_shape = [5,5], pads = [2,2,2,2]>"
    body = f"a = {pool} (x) b = {pool} (a) c = {pool} (b) y = Concat <axis = 1> (x, a, b, c)"
    check(graph([1, 2, 6, 6], "y", body))


@pytest.mark.parametrize(
    "attributes",
    [
        "kernel_shape = [2,2], strides = [2,2]",
        "kernel_shape = [3,3], strides = [1,1], pads = [1,1,1,1]",
        "kernel_shape = [3,3], strides = [2,2], pads = [1,1,1,1], count_include_pad = 1",
        "kernel_shape = [3,2], strides = [2,1], pads = [1,0,2,1]",
        "kernel_shape = [3,2], strides = [2,1], pads = [1,0,2,1], count_include_pad = 1",
        'kernel_shape = [3,3], strides = [2,2], auto_pad = "SAME_UPPER"',
        'kernel_shape = [2,2], strides = [2,2], auto_pad = "SAME_LOWER", count_include_pad = 1',
        "kernel_shape = [3,3], strides = [2,2], ceil_mode = 1",
        "kernel_shape = [2,2], strides = [3,3]",
    ],
)
def test_average_pool(attributes: str) -> None:
    check(graph([1, 3, 5, 8], "y", f"y = AveragePool <{attributes}> (x)"))


@pytest.mark.parametrize("kind", ["GlobalAveragePool", "GlobalMaxPool"])
def test_global_pools(kind: str) -> None:
    check(graph([2, 3, 3, 4], "y", f"y = {kind} (x)"))


def test_average_pool_of_a_line() -> None:
    check(graph([2, 3, 11], "y", "y = AveragePool <kernel_shape = [3], strides = [2], pads = [1,1]> (x)"))
