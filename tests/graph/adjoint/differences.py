"""Gradients against central finite differences in ONNX Runtime."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from edgewright.graph.adjoint import Adjoint, differentiate, with_shapes
from edgewright.graph.model import Model
from edgewright.graph.reference import ReferenceSession
from tests.helpers import model_from_text

Arrays = dict[str, NDArray[np.float32]]
STEP = 4e-3


def graph(shape: list[int], outputs: str, body: str, opset: int = 13, **weights: NDArray[np.generic]) -> Model:
    """A model with float input x of `shape`; `outputs` as in ONNX text, without shapes."""
    sizes = ",".join(map(str, shape))
    named = ", ".join(f"float[] {name.strip()}" for name in outputs.split(","))
    text = f'<ir_version: 8, opset_import: ["" : {opset}]> g (float[{sizes}] x) => ({named}) {{ {body} }}'
    return model_from_text(text, **weights)


def spread(shape: tuple[int, ...], seed: int = 0) -> NDArray[np.float32]:
    """Values in -2..2 in random order, far enough from each other and from 0 for a difference not to cross a kink."""
    count = int(np.prod(shape))
    assert 4 / count > 2 * STEP, "too many values: they would lie too close to each other"
    order = np.random.default_rng(seed).permutation(count)
    return ((order + 0.5) / count * 4 - 2).astype(np.float32).reshape(shape)


def gradients(model: Model, feeds: Arrays, seed: int = 1) -> tuple[Arrays, Arrays, Adjoint]:
    """Gradient of every activation of the model for random seeds of its float outputs; the seeds; what was told."""
    changed = with_shapes(model)
    outputs = [value for value in changed.graph.outputs if value.dtype is ir.DataType.FLOAT]
    seeds, vectors = {}, {}
    for number, output in enumerate(outputs):
        assert output.shape is not None
        name = f"{output.name}_seed"
        given = ir.Value(name=name, type=ir.TensorType(ir.DataType.FLOAT), shape=output.shape)
        shape = [int(size) for size in output.shape if isinstance(size, int)]
        vectors[name] = np.random.default_rng(seed + number).normal(size=shape).astype(np.float32)
        seeds[output] = given
    adjoint = differentiate(changed.graph, seeds)
    changed.graph.inputs.extend(seeds.values())
    del changed.graph.outputs[:]
    named = {}
    for name, value in adjoint.gradients.items():
        named[name] = f"gradient {name}"
        copy = ir.node("Identity", [value], name=named[name])
        copy.outputs[0].name, copy.outputs[0].type = named[name], value.type
        changed.graph.append(copy)
        changed.graph.outputs.append(copy.outputs[0])
    if not named:
        return {}, vectors, adjoint
    found = ReferenceSession(Model(changed).data, threads=1)({**feeds, **vectors})
    return {name: found[text] for name, text in named.items()}, vectors, adjoint


def differences(model: Model, feeds: Arrays, vectors: Mapping[str, NDArray[np.float32]]) -> NDArray[np.float64]:
    """Central differences of sum(seed * output) with respect to each value of x."""
    session = ReferenceSession(model.data, threads=1)

    def value(x: NDArray[np.float32]) -> float:
        found = session({**feeds, "x": x})
        return sum(
            float((found[name.removesuffix("_seed")].astype(np.float64) * vector).sum())
            for name, vector in vectors.items()
        )

    x = feeds["x"]
    slopes = np.zeros(x.size)
    for index in range(x.size):
        ends = []
        for sign in (1, -1):
            moved = x.copy()
            moved.reshape(-1)[index] += np.float32(sign * STEP)
            ends.append((moved.reshape(-1)[index], value(moved)))
        slopes[index] = (ends[0][1] - ends[1][1]) / (float(ends[0][0]) - float(ends[1][0]))
    return slopes.reshape(x.shape)


def check(model: Model, x: NDArray[np.float32] | None = None, tolerance: float = 1e-3) -> None:
    """Every rule on the way must be there, and the gradient of x that of the differences."""
    if x is None:
        x = spread(tuple(size or 1 for size in model.inputs[0].shape))
    found, vectors, adjoint = gradients(model, {"x": x})
    assert adjoint.unknown == ()
    assert not adjoint.incomplete
    wanted = differences(model, {"x": x}, vectors)
    assert np.abs(wanted).max() > 1e-3, "a gradient of nothing proves nothing"
    np.testing.assert_allclose(found["x"], wanted, rtol=tolerance, atol=tolerance * np.abs(wanted).max())
