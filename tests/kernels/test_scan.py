"""Which entries reach a limit, against a comparison of all of them."""

from __future__ import annotations

import numpy as np
import pytest

from edgewright.kernels.scan import half_order, reaching

KINDS = {"int8": "integer", "uint8": "integer", "int16": "integer", "uint16": "integer", "float32": "float"}


@pytest.mark.parametrize("on", [True, False])
@pytest.mark.parametrize("columns", [1, 100, 127, 128, 129, 300, 256])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("turned", [False, True])
def test_integers_and_floats(switch, on, kind, columns, turned):
    switch(on)
    random = np.random.default_rng(columns)
    for share in (0.0, 0.01, 0.5, 1.0):
        values = random.integers(0, 100, (5, columns)).astype(kind)
        values = np.ascontiguousarray(values.T).T if turned else values
        lows = np.full(5, 100 - round(100 * share)).astype(kind) + np.arange(5).astype(kind)
        high = np.float32(np.inf) if kind == "float32" else 90
        expected = np.nonzero((values >= lows[:, None]) & (values <= high))
        for found, wanted in zip(reaching(values, lows, high, KINDS[kind]), expected, strict=True):
            np.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize("on", [True, False])
def test_every_half_float(switch, on):
    """All 65536 patterns, with limits at several of them: NaN of either sign never passes."""
    switch(on)
    bits = np.arange(-32768, 32768).astype(np.int16)[None]
    values = bits.view(np.float16).astype(np.float32)
    for limit in (-np.inf, -2.5, -0.0, 0.0, 6e-8, 0.25, 65504.0, np.inf):
        low = half_order(np.array([limit], np.float16).view(np.int16))
        with np.errstate(invalid="ignore"):
            expected = np.flatnonzero(values[0] >= np.float32(np.float16(limit)))
        if limit == 0.0 and not np.signbit(limit):  # in this order -0 lies below 0
            expected = expected[bits[0, expected] != -32768]
        np.testing.assert_array_equal(reaching(bits, low, 0x7C00, "half")[1], expected)


def test_the_order_of_half_floats():
    bits = np.arange(-32768, 32768).astype(np.int16)
    values = bits.view(np.float16).astype(np.float32)
    numbers = ~np.isnan(values)
    order = np.argsort(half_order(bits)[numbers])
    assert (np.diff(values[numbers][order]) >= 0).all()
