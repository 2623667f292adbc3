"""The fast way of each family against the plain decode of the same outputs, bit for bit."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgewright.kernels.choice import loops
from tests.runtime.output_path.heads import (
    CODES,
    HEADS,
    PLACE,
    TYPES,
    assert_same,
    bits,
    drawn,
    path_of,
    ports,
    settings_of,
)

CASES = [(name, kind) for name in HEADS for kind in TYPES]


@pytest.fixture(params=["compiled", "NumPy"])
def compiler(request, monkeypatch):
    """Everything with and without Numba."""
    loops.cache_clear()
    if request.param == "NumPy":
        monkeypatch.setenv("EDGEWRIGHT_COMPILER", "off")
    else:
        pytest.importorskip("numba")
    yield request.param
    loops.cache_clear()


@pytest.mark.parametrize("per_channel", [False, True])
@pytest.mark.parametrize(("name", "kind"), CASES, ids=[f"{n}-{k}" for n, k in CASES])
def test_the_fast_way_is_the_plain_way(compiler, name, kind, per_channel):
    if per_channel and kind not in CODES:
        pytest.skip("floats have no grid")
    head, shapes = HEADS[name]
    boundary = ports(head, shapes, kind, per_channel=per_channel)
    path = path_of(head, boundary)
    assert path.fast, path.how
    counts = [
        assert_same(path, drawn(boundary, seed), settings_of(head, confidence))
        for seed, confidence in enumerate([0.001, 0.25, 0.5, 0.5, 0.7, 0.9, 1.0, 0.0])
    ]
    assert max(counts) > 0


@pytest.mark.parametrize(("name", "kind"), CASES, ids=[f"{n}-{k}" for n, k in CASES])
def test_the_fast_way_is_taken(monkeypatch, name, kind):
    head, shapes = HEADS[name]
    boundary = ports(head, shapes, kind)
    path = path_of(head, boundary)

    def plain(*_arguments):
        raise AssertionError("the plain way was taken")

    monkeypatch.setattr(path, "plain", plain)
    assert len(path(drawn(boundary, 2), PLACE, settings_of(head, 0.3))) > 0


@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize("name", HEADS)
def test_constant_outputs(compiler, name, kind):
    """Every candidate or none: each end of the codes, zero, and what is no number."""
    head, shapes = HEADS[name]
    boundary = ports(head, shapes, kind)
    path = path_of(head, boundary)
    if kind in CODES:
        info = np.iinfo(kind)
        values = [info.min, info.max, (int(info.min) + int(info.max) + 1) // 2]
    else:
        values = [0.0, -0.0, 1.0, -1.0, np.nan, np.inf, -np.inf, np.finfo(kind).max, np.finfo(kind).tiny]
    for value in values:
        outputs = {port.spec.name: np.full(port.spec.shape, value, kind) for port in boundary}
        for confidence in (0.0, 0.3, 1.0):
            with np.errstate(over="ignore"):
                assert_same(path, outputs, settings_of(head, confidence, max_candidates=50))


@pytest.mark.parametrize("kind", ["float16", "float32"])
@pytest.mark.parametrize("name", HEADS)
def test_some_entries_are_no_numbers(compiler, name, kind):
    head, shapes = HEADS[name]
    boundary = ports(head, shapes, kind)
    outputs = drawn(boundary, 5)
    random = np.random.default_rng(1)
    for values in outputs.values():
        broken = random.random(values.shape)
        values[broken < 0.02] = np.nan
        values[broken > 0.98] = np.inf
        values[(broken > 0.5) & (broken < 0.52)] = -np.inf
        if kind == "float16":
            values.view(np.uint16)[(broken > 0.6) & (broken < 0.61)] = 0xFFFF  # NaN with a sign
    for confidence in (0.0, 0.2, 0.6):
        assert_same(path_of(head, boundary), outputs, settings_of(head, confidence))


@pytest.mark.parametrize("name", HEADS)
def test_every_class_wins(compiler, name):
    head, shapes = HEADS[name]
    boundary = ports(head, shapes, "int8")
    path = path_of(head, boundary)
    seen = set()
    for seed in range(6):
        outputs = drawn(boundary, seed, spread=0.5)
        assert_same(path, outputs, settings_of(head, 0.2))
        seen |= set(path(outputs, PLACE, settings_of(head, 0.2)).class_ids.tolist())
    assert seen == set(range(head.params["nc"]))


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(list(HEADS)),
    st.sampled_from(TYPES),
    st.integers(0, 2**32 - 1),
    st.floats(0, 1, width=32),
    st.sampled_from([1, 3, 40, 30_000]),
    st.sampled_from([0.0, 0.45, 0.7, 1.0]),
    st.sampled_from([0.004, 0.02, 0.3]),
    st.booleans(),
    st.booleans(),
)
def test_any_outputs(name, kind, seed, confidence, most, iou, scale, narrow, per_channel):
    """Few different codes make many ties; a wide grid makes scores beyond 1."""
    head, shapes = HEADS[name]
    boundary = ports(head, shapes, kind, scale=scale, per_channel=per_channel)
    outputs = drawn(boundary, seed, spread=0.6)
    if narrow:
        outputs = {
            key: (values // 40 * 40 if kind in CODES else np.round(values * 2) / 2).astype(kind)
            for key, values in outputs.items()
        }
    limits = settings_of(head, confidence, max_candidates=most, iou=iou)
    assert_same(path_of(head, boundary), outputs, limits)


def test_compiled_and_uncompiled_agree(monkeypatch):
    pytest.importorskip("numba")
    for name, kind in CASES:
        head, shapes = HEADS[name]
        boundary = ports(head, shapes, kind)
        outputs, limits = drawn(boundary, 3), settings_of(head, 0.3)
        found = []
        for switch in ("on", "off"):
            loops.cache_clear()
            monkeypatch.setenv("EDGEWRIGHT_COMPILER", switch)
            found.append(bits(path_of(head, boundary)(outputs, PLACE, limits)))
        loops.cache_clear()
        assert found[0] == found[1], name
