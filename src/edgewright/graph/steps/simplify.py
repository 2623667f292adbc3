"""Constants are folded and the graph is simplified, by onnxslim."""

from __future__ import annotations

import contextlib
import io
import logging

import onnx
import onnx_ir as ir

from edgewright.graph.model import Model
from edgewright.graph.steps.base import STEPS, PrepareOptions, Step


def run(model: Model, options: PrepareOptions) -> tuple[Model, str] | None:
    """Simplify with onnxslim; None when it changed nothing or failed (the model is used as it is then)."""
    del options
    import onnxslim

    before = sum(1 for _ in model.ir.graph)
    with _silenced():
        slimmed = onnxslim.slim(onnx.ModelProto.FromString(model.data))
    if slimmed is None:
        return None
    simple = Model(ir.from_proto(slimmed), model.path)
    after = sum(1 for _ in simple.ir.graph)
    if after == before:
        return None
    return simple, f"{before} nodes became {after}"


@contextlib.contextmanager
def _silenced():  # type: ignore[no-untyped-def]  # a generator of nothing
    """Onnxslim prints a table and logs through the root logger."""
    root_level = logging.getLogger().level
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        try:
            yield
        finally:
            logging.getLogger().setLevel(root_level)


STEPS.add("simplify", Step("simplify", "fold constants and simplify (onnxslim)", run))
