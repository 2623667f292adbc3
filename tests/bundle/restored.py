"""A bundle of the fake target whose outputs are restored on the host."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np

from edgewright.bundle.pack import Contents, pack_bundle
from edgewright.graph.model import Model
from edgewright.tasks.base import Head
from edgewright.tensors import Part
from tests.bundle.bundle_fakes import fake_contents
from tests.helpers import model_from_text

RESTORED_HEAD = Head(
    "none",
    "tensors",
    (Part("first", "z", axis=1, start=0, stop=2), Part("second", "z", axis=1, start=2, stop=4)),
    evidence="a test",
)


def restoration(text: str = "z = Mul (y, factors)", signature: str = "float[1,4] y, int64[1] count") -> Model:
    """Outputs `z`, which is y times 1, 1, 640, 640, and `count` as it is."""
    return model_from_text(
        f"""<ir_version: 8, opset_import: ["" : 17]>
        restore ({signature}) => (float[1,4] z, int64[1] count) {{ {text} }}""",
        factors=np.array([[1, 1, 640, 640]], np.float32),
    )


def restored_contents(work: Path, **changes) -> Contents:
    codes = changes.pop("codes", False)
    return dataclasses.replace(fake_contents(work, codes=codes, head=RESTORED_HEAD, restore=restoration()), **changes)


def restored_bundle(work: Path, **changes) -> Path:
    return pack_bundle(work / "bundle", restored_contents(work, **changes))
