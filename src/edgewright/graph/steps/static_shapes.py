"""Every dimension of every input becomes a number, and the outputs' shapes are found by running the model once."""

from __future__ import annotations

import math
from collections.abc import Sequence

import onnx_ir as ir

from edgewright.errors import EdgewrightError, ModelError, UserError
from edgewright.graph.model import Model
from edgewright.graph.reference import ReferenceSession, random_feeds
from edgewright.graph.steps.base import STEPS, PrepareOptions, Step
from edgewright.tensors import TensorSpec

MAX_INPUT_VALUES = 2**28
"""One gigabyte of float32, an image of 89 megapixels: what a damaged or hostile shape asks for is far beyond."""


def run(model: Model, options: PrepareOptions) -> tuple[Model, str] | None:
    """Fix open dimensions: batch is 1, others as given with `--input-shape`."""
    unknown = set(options.shapes) - {spec.name for spec in model.inputs}
    if unknown:
        raise UserError(
            f"the model has no input {', '.join(sorted(unknown))}",
            why=f"its inputs are {', '.join(spec.name for spec in model.inputs)}",
            todo="correct the name in --input-shape",
        )
    for wanted in model.inputs:
        _check_size(wanted.name, [size or 1 for size in wanted.shape])
    if not options.shapes and all(spec.is_static for spec in (*model.inputs, *model.outputs)):
        return None
    changed = model.clone()
    notes = []
    for value in changed.graph.inputs:
        spec = next((spec for spec in model.inputs if spec.name == value.name), None)
        if spec is None:
            continue
        shape = _resolve(spec, options)
        if shape != spec.shape:
            notes.append(f"{spec} is now {'x'.join(map(str, shape))}")
            value.shape = ir.Shape(shape)
    _forget_inner_shapes(changed)
    try:
        fixed = _with_output_shapes(Model(changed, model.path))
    except EdgewrightError as error:
        if not options.shapes:
            raise
        shapes = ", ".join(f"{name}={','.join(map(str, shape))}" for name, shape in options.shapes.items())
        raise UserError(
            f"the model does not run with --input-shape {shapes}",
            where=model.name,
            why=error.why or error.what,
            todo="choose a size that the model was made for, often a multiple of 32",
        ) from error
    return fixed, "; ".join(notes) or "the outputs' shapes were found by running the model"


def _resolve(spec: TensorSpec, options: PrepareOptions) -> tuple[int, ...]:
    given = options.shapes.get(spec.name)
    if given is not None:
        clash = len(given) != len(spec.shape) or any(
            want is not None and want != got for want, got in zip(spec.shape, given, strict=True)
        )
        if clash:
            raise UserError(
                f"--input-shape {spec.name}={','.join(map(str, given))} does not fit the model",
                why=f"the model declares {spec}",
                todo="give as many numbers as the input has dimensions, and keep those that are fixed",
            )
        _check_size(spec.name, given)
        return given
    shape = [
        1 if index == 0 and size is None and len(spec.shape) > 1 else size for index, size in enumerate(spec.shape)
    ]
    if any(size is None for size in shape) or not shape:
        known = ",".join("?" if size is None else str(size) for size in shape)
        raise ModelError(
            f"input {spec.name} has dynamic dimensions: {spec}",
            why="edge compilers need static shapes, and the right size is yours to choose",
            todo=f"pass --input-shape {spec.name}={known} with numbers for every ?",
        )
    return tuple(size for size in shape if size is not None)


def _check_size(name: str, shape: Sequence[int]) -> None:
    if math.prod(shape) > MAX_INPUT_VALUES:
        raise UserError(
            f"input {name} would hold {math.prod(shape):.3g} values",
            why=f"its shape is {'x'.join(map(str, shape))}, the limit is {MAX_INPUT_VALUES:.3g} values",
            todo="choose a smaller --input-shape, or export the model with one",
        )


def _forget_inner_shapes(model: ir.Model) -> None:
    """Shapes that an exporter wrote for open dimensions contradict the fixed ones; inference finds them again."""
    for node in model.graph:
        for output in node.outputs:
            if not output.is_graph_output():
                output.shape = None


def _with_output_shapes(model: Model) -> Model:
    session = ReferenceSession(model.data, name=model.name)
    found = session(random_feeds(model.inputs))
    for value in model.ir.graph.outputs:
        array = found[value.name or ""]
        value.shape = ir.Shape(array.shape)
        value.dtype = ir.DataType.from_numpy(array.dtype)
    return Model(model.ir, model.path)


STEPS.add(
    "static-shapes",
    Step("static-shapes", "fix dynamic dimensions", run, finding="EW104", needed=True, defines_inputs=True),
)
