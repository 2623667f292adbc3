"""The opset is raised to what a scale per channel needs."""

from __future__ import annotations

import onnx
import onnx.version_converter
import onnx_ir as ir

from edgewright.errors import ModelError
from edgewright.graph.model import Model
from edgewright.graph.steps.base import STEPS, PrepareOptions, Step


def run(model: Model, options: PrepareOptions) -> tuple[Model, str] | None:
    """Convert to `options.min_opset` when the model is older."""
    if model.opset >= options.min_opset:
        return None
    try:
        proto = onnx.version_converter.convert_version(onnx.ModelProto.FromString(model.data), options.min_opset)
    except (RuntimeError, ValueError, TypeError) as error:
        raise ModelError(
            f"opset {model.opset} cannot be raised to {options.min_opset}",
            why=f"onnx.version_converter: {str(error).splitlines()[0]}",
            todo=f"export the model with opset {options.min_opset} or newer",
        ) from error
    # files of old opsets carry old IR versions, under which initialisers must be inputs
    proto.ir_version = max(proto.ir_version, 7)
    return Model(ir.from_proto(proto), model.path), f"opset {model.opset} became {options.min_opset}"


STEPS.add("raise-opset", Step("raise-opset", "raise the opset for scales per channel", run, finding="EW102"))
