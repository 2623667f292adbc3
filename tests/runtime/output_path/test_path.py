"""The path as a whole: lazy outputs, what is declared and what comes, and what it says of itself."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edgewright.errors import BundleError
from edgewright.runtime.output_path.base import FAST
from edgewright.runtime.output_path.path import OutputPath
from edgewright.tasks.base import FAMILIES, Head
from edgewright.tensors import Part
from tests.runtime.output_path.heads import (
    CONTRACT,
    HEADS,
    PLACE,
    artifact,
    assert_same,
    bits,
    drawn,
    path_of,
    ports,
    settings_of,
)

UNKNOWN = Head("none", "tensors", (Part("a", "a"),))


def unknown_path(**options):
    shapes = {"a": (1, 4, 5), "b": (1, 3)}
    outputs = ports(Head("x", "tensors", (Part("a", "a"), Part("b", "b"))), shapes, "int8")
    return OutputPath(artifact(outputs), UNKNOWN, None, CONTRACT, **options), drawn(outputs, 0), outputs


PLAIN_ONLY = {"picodet-raw", "rtdetr-rows", "classifier"}
"""Heads without a fast way: tables that vendors' runtimes rarely end in, and outputs of a few rows or one."""


def test_every_family_has_a_fast_way_or_is_named():
    assert path_of(*([HEADS["ssd"][0], ports(*HEADS["ssd"], "int8")])).fast
    assert set(FAST.names()) == {family.name for family in FAMILIES} - PLAIN_ONLY


def test_outputs_without_a_meaning_convert_when_asked_for():
    path, outputs, declared = unknown_path()
    found = path(outputs, PLACE, settings_of(UNKNOWN, 0.5))
    assert list(found) == ["a", "b"]
    assert len(found) == 2
    assert found.converted == ()
    np.testing.assert_array_equal(found["b"], declared[1].grid.dequantise(outputs["b"]))
    assert found.converted == ("b",)
    assert found["b"] is found["b"]
    with pytest.raises(KeyError):
        found["c"]


def test_buffers_that_are_used_again_are_copied():
    path, outputs, declared = unknown_path(reused=True)
    expected = declared[0].grid.dequantise(outputs["a"])
    found = path(outputs, PLACE, settings_of(UNKNOWN, 0.5))
    outputs["a"][:] = 0
    np.testing.assert_array_equal(found["a"], expected)


def test_a_missing_output_is_named():
    head, shapes = HEADS["ssd"]
    path = path_of(head, ports(head, shapes, "int8"))
    with pytest.raises(BundleError, match="gave no output 's'"):
        path({"b": np.zeros(1)}, PLACE, settings_of(head, 0.5))


def test_another_type_than_declared_takes_the_plain_way():
    head, shapes = HEADS["yolov8"]
    outputs = ports(head, shapes, "float32")
    path = path_of(head, outputs)
    wide = {"o": drawn(outputs, 1)["o"].astype(np.float64)}
    assert assert_same(path, wide, settings_of(head, 0.4)) > 0


@pytest.mark.parametrize("change", [np.asfortranarray, lambda a: np.repeat(a, 2, axis=-1)[..., ::2]])
@pytest.mark.parametrize("name", HEADS)
def test_memory_of_any_order(name, change):
    head, shapes = HEADS[name]
    for kind in ("int8", "float16", "float32"):
        outputs = ports(head, shapes, kind)
        path, values = path_of(head, outputs), drawn(outputs, 2)
        moved = {key: change(array) for key, array in values.items()}
        limits = settings_of(head, 0.4)
        assert bits(path(moved, PLACE, limits)) == bits(path.plain(values, PLACE, limits))


def test_the_limits_of_an_output_path_do_not_leak_between_thresholds():
    head, shapes = HEADS["raw"]
    outputs = ports(head, shapes, "int8")
    path, values = path_of(head, outputs), drawn(outputs, 2)
    for confidence in [*np.linspace(0, 1, 23), 0.25, 0.5]:
        assert_same(path, values, settings_of(head, float(confidence)))


def test_how_it_works_is_told():
    head, shapes = HEADS["yolox"]
    assert "objectness first" in path_of(head, ports(head, shapes, "int8")).how
    assert "no known meaning" in unknown_path()[0].how
    assert artifact(()).folder == Path()
