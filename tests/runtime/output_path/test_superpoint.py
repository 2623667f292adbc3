"""SuperPoint from codes against the plain decode: points, scores and descriptors, bit for bit."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgewright.data.contract import Contract, Placement
from edgewright.kernels.choice import loops
from edgewright.tasks.base import Head
from edgewright.tensors import Part
from tests.runtime.output_path.heads import CODES, TYPES, path_of, ports, settings_of

SIZE = (6, 9)
CONTRACT = Contract(input="i", width=72, height=48, colour="GRAY", mean=(0.0,), std=(255.0,))
PLACE = Placement(0.5, 0.5, 0.0, 4.0, 144, 80)


def head(softmax=False, size=20):
    parts = (Part("keypoint scores", "p", 1, 0, None), Part("descriptors", "q", 1, 0, None))
    return Head("superpoint", "keypoints", parts, {"softmax": softmax, "descriptor_size": size})


def boundary(kind, softmax=False, size=20, scale=0.1):
    shapes = {"p": (1, 65, *SIZE), "q": (1, size, *SIZE)}
    return ports(head(softmax, size), shapes, kind, scale=scale if not softmax else 0.008)


def drawn(outputs, seed, softmax=False, coarse=1):
    random = np.random.default_rng(seed)
    found = {}
    for port in outputs:
        values = random.normal(0, 2, port.spec.shape)
        if port.spec.name == "p":
            values = values + 6 * (random.random(port.spec.shape) < 0.02)
            values[:, 64] += 4
            if softmax:
                values = random.random(port.spec.shape) ** 6
        values = np.round(values * 4 / coarse) * coarse / 4 if coarse > 1 else values
        values = values.astype(np.float32)
        found[port.spec.name] = port.grid.quantise(values) if port.grid else values.astype(port.spec.dtype)
    return found


def bits(found):
    return found.xy.tobytes(), found.scores.tobytes(), found.descriptors.tobytes()


def assert_same(path, outputs, limits):
    found, expected = path(outputs, PLACE, limits), path.plain(outputs, PLACE, limits)
    assert not found.ready
    assert bits(found) == bits(expected)
    assert found.ready
    return len(expected)


@pytest.fixture(params=["compiled", "NumPy"])
def compiler(request, monkeypatch):
    monkeypatch.setenv("EDGEWRIGHT_COMPILER", "off" if request.param == "NumPy" else "on")
    loops.cache_clear()
    if request.param == "compiled":
        pytest.importorskip("numba")
    yield
    loops.cache_clear()


@pytest.mark.parametrize("softmax", [False, True])
@pytest.mark.parametrize("kind", TYPES)
def test_the_fast_way_is_the_plain_way(compiler, kind, softmax):
    outputs = boundary(kind, softmax)
    path = path_of(head(softmax), outputs, contract=CONTRACT)
    assert path.fast, path.how
    counts = []
    for seed, (confidence, radius, most) in enumerate(
        [(0.015, 4, 1000), (0.1, 2, 1000), (0.0, 3, 40), (0.3, 0, 5), (0.9, 4, 10), (1.0, 4, 10), (0.05, 8, 0)]
    ):
        limits = settings_of(head(), confidence, iou=radius, max_results=most)
        counts.append(assert_same(path, drawn(outputs, seed, softmax), limits))
    assert max(counts) > 10


@pytest.mark.parametrize("kind", TYPES)
def test_constant_outputs(compiler, kind):
    outputs = boundary(kind)
    path = path_of(head(), outputs, contract=CONTRACT)
    ends = [np.iinfo(kind).min, np.iinfo(kind).max] if kind in CODES else [0.0, np.nan, np.inf, -np.inf, 6e4]
    for value in ends:
        full = {port.spec.name: np.full(port.spec.shape, value, kind) for port in outputs}
        for confidence in (0.0, 0.015, 0.5):
            assert_same(path, full, settings_of(head(), confidence, iou=4))


@pytest.mark.parametrize("kind", ["float16", "float32"])
def test_some_entries_are_no_numbers(compiler, kind):
    outputs = boundary(kind)
    path = path_of(head(), outputs, contract=CONTRACT)
    values = drawn(outputs, 3)
    random = np.random.default_rng(0)
    for array in values.values():
        broken = random.random(array.shape)
        array[broken < 0.002], array[broken > 0.998] = np.nan, np.inf
        array[(broken > 0.5) & (broken < 0.52)] = -np.inf
    with np.errstate(invalid="ignore"):
        assert assert_same(path, values, settings_of(head(), 0.015, iou=4)) > 0


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(TYPES),
    st.integers(0, 2**32 - 1),
    st.floats(0, 1, width=32),
    st.integers(0, 9),
    st.sampled_from([1, 7, 1000]),
    st.sampled_from([0.01, 0.1, 0.7]),
    st.sampled_from([1, 8]),
    st.sampled_from([8, 64, 70, 130]),
)
def test_any_outputs(kind, seed, confidence, radius, most, scale, coarse, size):
    outputs = boundary(kind, size=size, scale=scale)
    path = path_of(head(size=size), outputs, contract=CONTRACT)
    limits = settings_of(head(), confidence / 4, iou=radius, max_results=most)
    assert_same(path, drawn(outputs, seed, coarse=coarse), limits)


def test_a_grid_for_each_channel_takes_the_plain_way():
    outputs = ports(head(), {"p": (1, 65, *SIZE), "q": (1, 20, *SIZE)}, "int8", per_channel=True)
    path = path_of(head(), outputs, contract=CONTRACT)
    assert not path.fast
    assert "grid for each channel" in path.how
    path(drawn(outputs, 0), PLACE, settings_of(head(), 0.015, iou=4))


def test_descriptors_of_an_overwritten_buffer_are_kept():
    """With buffers that are used again, the result holds a copy; without, it reads the buffer itself."""
    outputs = boundary("int8")
    limits = settings_of(head(), 0.015, iou=4)
    from edgewright.runtime.output_path.path import OutputPath
    from edgewright.tasks.base import FAMILIES
    from tests.runtime.output_path.heads import artifact

    path = OutputPath(artifact(outputs), head(), FAMILIES.get("superpoint"), CONTRACT, reused=True)
    values = drawn(outputs, 0)
    expected = path.plain(values, PLACE, limits)
    found = path(values, PLACE, limits)
    some = found[::2]
    for array in values.values():
        array[:] = 0
    np.testing.assert_array_equal(found.descriptors, expected.descriptors)
    np.testing.assert_array_equal(some.descriptors, expected.descriptors[::2])
