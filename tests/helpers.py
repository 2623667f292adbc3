"""Small models as readable text graphs, for all tests."""

from __future__ import annotations

import numpy as np
import onnx
import onnx.parser
import onnx_ir as ir

from edgewright.graph.model import Model


def model_from_text(text: str, **weights: np.ndarray) -> Model:
    """A model from ONNX text; `weights` become initialisers of these names."""
    proto = onnx.parser.parse_model(text)
    for name, values in weights.items():
        proto.graph.initializer.append(onnx.numpy_helper.from_array(values, name))
    return Model(ir.from_proto(proto))


def normal(*shape: int, seed: int = 0, scale: float = 1.0) -> np.ndarray:
    """Seeded normal weights."""
    return np.random.default_rng(seed + sum(shape)).normal(scale=scale, size=shape).astype(np.float32)
