"""A small model for the tests of this folder."""

from __future__ import annotations

import numpy as np
import pytest

from edgewright.graph.model import Model
from tests.helpers import model_from_text


@pytest.fixture
def conv_model() -> Model:
    """Conv, Relu, Conv, Sigmoid on 1x3x8x8."""
    generator = np.random.default_rng(0)
    return model_from_text(
        """
        <ir_version: 8, opset_import: ["" : 17]>
        small (float[1,3,8,8] image) => (float[1,2,8,8] scores) {
            a = Conv <pads = [1,1,1,1]> (image, w1, b1)
            r = Relu (a)
            logits = Conv (r, w2)
            scores = Sigmoid (logits)
        }
        """,
        w1=generator.normal(size=(4, 3, 3, 3)).astype(np.float32),
        b1=generator.normal(size=4).astype(np.float32),
        w2=generator.normal(size=(2, 4, 1, 1)).astype(np.float32),
    )
