"""Resize: along each axis a matrix, whatever its mode."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from edgewright.graph.adjoint.base import RULES, Gradients, Step
from edgewright.graph.adjoint.build import Build, constant_array
from edgewright.graph.model import Model
from edgewright.graph.reference import ReferenceSession

_KEPT = (
    "antialias",
    "coordinate_transformation_mode",
    "cubic_coeff_a",
    "exclude_outside",
    "mode",
    "nearest_mode",
)


@RULES.register("Resize")
def _resize(step: Step, build: Build) -> Gradients | None:
    shape, resized = step.shape(), list(step.output_shape)
    if step.text("coordinate_transformation_mode", "half_pixel") == "tf_crop_and_resize":
        return None
    if step.text("keep_aspect_ratio_policy", "stretch") != "stretch":
        return None
    scales = _scales(step)
    matrices: dict[int, NDArray[np.float32]] = {}
    for axis, size in enumerate(shape):
        scale = None if scales is None else scales[axis]
        if size == resized[axis] and scale in (None, 1.0):
            continue
        matrix = _matrix(step, build, size, scale, resized[axis])
        if matrix is None:
            return None
        matrices[axis] = matrix
    factors = {axis: _repeats(matrix) for axis, matrix in matrices.items()}
    if len(shape) == 4 and matrices.keys() <= {2, 3} and all(factors.values()):
        return {0: _sum_blocks(build, step.gradient, factors.get(2) or 1, factors.get(3) or 1)}
    gradient = step.gradient
    for axis, matrix in matrices.items():
        gradient = _along(build, gradient, len(shape), axis, matrix)
    return {0: gradient}


def _scales(step: Step) -> tuple[float, ...] | None:
    """The factor of each axis; None where sizes are given instead, or the factors are computed."""
    given = constant_array(step.optional(2))
    if given is None or not given.size:
        return None
    found = [1.0] * len(step.shape())
    for axis, number in zip(step.numbers("axes", tuple(range(len(found)))), given.tolist(), strict=True):
        found[axis] = float(number)
    return tuple(found)


def _matrix(step: Step, build: Build, size: int, scale: float | None, made: int) -> NDArray[np.float32] | None:
    """The matrix of one axis, shape (size, made): the runtime's own answer to each unit vector.

    So every mode, and every rounding of coordinates, is that of the runtime. None where it gives another size.
    """
    opset = int(build.graph.opset_imports.get("", 13))
    unit = ir.Value(name="units", type=ir.TensorType(ir.DataType.FLOAT), shape=ir.Shape((1, 1, size, size)))
    graph = ir.Graph([unit], [], nodes=[], opset_imports={"": opset}, name="resize")
    own = Build(graph)
    attributes = {name: step.node.attributes[name].value for name in _KEPT if name in step.node.attributes}
    if scale is None:
        resized = own.node("Resize", unit, None, None, own.integers([1, 1, size, made]), **attributes)
    else:
        factors = own.constant(np.asarray([1, 1, 1, scale], np.float32))
        resized = own.node("Resize", unit, None, factors, **attributes)
    graph.outputs.append(resized)
    session = ReferenceSession(Model(ir.Model(graph, ir_version=8)).data, threads=1, name="a resize of unit vectors")
    answer = session({"units": np.eye(size, dtype=np.float32)[None, None]})[resized.name or ""][0, 0]
    return np.asarray(answer, np.float32) if answer.shape == (size, made) else None


def _repeats(matrix: NDArray[np.float32]) -> int:
    """How often each entry is repeated in its place; 0 where the resize is something else."""
    size, made = matrix.shape
    times = made // size
    same = times * size == made and np.array_equal(matrix, np.repeat(np.eye(size), times, axis=1))
    return times if same else 0


def _sum_blocks(build: Build, gradient: ir.Value, height: int, width: int) -> ir.Value:
    # the mean times its count: pooling is far faster than a sum over axes that do not lie together
    mean = build.node("AveragePool", gradient, kernel_shape=[height, width], strides=[height, width])
    return build.node("Mul", mean, build.constant(height * width, gradient))


def _along(build: Build, gradient: ir.Value, rank: int, axis: int, matrix: NDArray[np.float32]) -> ir.Value:
    """Multiply the transpose of `matrix` to one axis."""
    order: Sequence[int] = [*(other for other in range(rank) if other != axis), axis]
    back = [int(place) for place in np.argsort(order)]
    last = axis == rank - 1
    turned = gradient if last else build.node("Transpose", gradient, perm=order)
    product = build.node("MatMul", turned, build.constant(np.ascontiguousarray(matrix.T), gradient))
    return product if last else build.node("Transpose", product, perm=back)
