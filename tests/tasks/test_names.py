"""Class names from a model's metadata, hostile ones included."""

from __future__ import annotations

import pytest

from edgewright.tasks.names import class_names
from tests.helpers import model_from_text

TEXT = '<ir_version: 8, opset_import: ["" : 17]> g (float[1] x) => (float[1] y) { y = Relu (x) }'


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("{0: 'person', 1: 'car'}", ("person", "car")),
        ("{1: 'car', 0: 'person'}", ("person", "car")),
        ("['person', 'car']", ("person", "car")),
        ("{0: 'person'}", ()),
        ("{0: 'person', 2: 'car'}", ()),
        ("['a', 'b', 'c']", ()),
        ("", ()),
        ("__import__('os').system('true')", ()),
        ("(" * 5000, ()),
        ("{0: 'a', 1: ", ()),
        ("7", ()),
    ],
)
def test_names(text: str, names: tuple[str, ...]) -> None:
    model = model_from_text(TEXT)
    model.ir.metadata_props["names"] = text
    assert class_names(model, 2) == names


def test_a_model_without_metadata() -> None:
    assert class_names(model_from_text(TEXT), 2) == ()
