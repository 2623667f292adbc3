"""Small graphs, samples and ranges for the tests of this folder."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from edgewright.graph.model import Model
from edgewright.graph.reference import Feeds, Outputs, ReferenceSession, random_feeds
from edgewright.graph.rewrites import Restorer, RewriteContext, Rewritten, apply_rewrite
from edgewright.graph.rewrites.editor import Editor
from tests.helpers import model_from_text, normal

DETECTOR = """
<ir_version: 8, opset_import: ["" : 17]>
detector (float[1,3,32,32] image) => (float[1,6,16] output) {
    stem = Conv <strides = [8,8]> (image, w_stem)
    active = Relu (stem)
    box_map = Conv (active, w_box, b_box)
    cells = Reshape (box_map, to_box)
    moved = Add (cells, anchors)
    boxes = Mul (moved, strides)
    score_map = Conv (active, w_score)
    logits = Reshape (score_map, to_score)
    scores = Sigmoid (logits)
    output = Concat <axis = 1> (boxes, scores)
}
"""


def detector(text: str = DETECTOR) -> Model:
    """A detection head: boxes in pixels of a 32x32 image beside scores."""
    return named(
        text,
        w_stem=normal(8, 3, 8, 8, scale=0.2),
        w_box=normal(4, 8, 1, 1),
        b_box=normal(4),
        w_score=normal(2, 8, 1, 1),
        to_box=np.array([1, 4, 16], np.int64),
        to_score=np.array([1, 2, 16], np.int64),
        anchors=np.linspace(0, 3, 16, dtype=np.float32).reshape(1, 1, 16),
        **({"w_mid": normal(8, 8, 1, 1)} if "w_mid" in text else {}),
        strides=np.full((1, 1, 16), 9.6, np.float32),  # no power of two
    )


def named(text: str, **weights: np.ndarray) -> Model:
    """A model whose nodes are called as their first output, with `_op` behind it."""
    model = model_from_text(text, **weights)
    for node in model.ir.graph:
        node.name = f"{node.outputs[0].name}_op"
    return model


def samples(model: Model, count: int = 3) -> list[Outputs]:
    """Inputs around zero."""
    return [
        {name: values - np.asarray(0.5, values.dtype) for name, values in random_feeds(model.inputs, seed).items()}
        for seed in range(count)
    ]


def context(model: Model, **ranges: tuple[float, float]) -> RewriteContext:
    """Ranges of all float tensors over the samples; `ranges` take precedence."""
    shown = Editor(model).model().clone()  # with the types of inner tensors
    known = {value.name for value in shown.graph.outputs}
    for node in shown.graph:
        for value in node.outputs:
            if value.name not in known:
                shown.graph.outputs.append(value)
    session = ReferenceSession(Model(shown).data)
    found = [{**session(sample), **sample} for sample in samples(model)]
    seen = {
        name: (float(min(one[name].min() for one in found)), float(max(one[name].max() for one in found)))
        for name in found[0]
        if found[0][name].dtype == np.float32
    }
    return RewriteContext({**seen, **ranges})


def rewritten(name: str, model: Model, **ranges: tuple[float, float]) -> Rewritten:
    """Apply and verify a rewrite that finds something to do."""
    found = apply_rewrite(name, model, context(model, **ranges), samples(model))
    assert found is not None
    assert found.facts["rewrite"] == name
    assert found.facts["text"].endswith(".")
    same_function(model, found)
    return found


def nothing_to_do(name: str, model: Model, **ranges: tuple[float, float]) -> bool:
    """Whether a rewrite leaves a model alone."""
    return apply_rewrite(name, model, context(model, **ranges), samples(model)) is None


def run(model: Model, sample: Feeds) -> Outputs:
    """Outputs of a model."""
    return ReferenceSession(model.data)(sample)


def same_function(model: Model, found: Rewritten) -> None:
    """Restored outputs are the old ones, in the old order; on samples that no rewrite has seen."""
    restorer = Restorer(found.restore)
    for sample in samples(model, 5)[3:]:
        old, new = run(model, sample), restorer(run(found.model, sample))
        assert list(new) == list(old)
        for name, values in old.items():
            np.testing.assert_allclose(new[name], values, rtol=1e-4, atol=1e-5 * float(np.abs(values).max()))


def ops(model: Model | None) -> list[str]:
    """Types of the ops of a model, sorted."""
    assert model is not None
    return sorted(node.op_type for node in model.ir.graph)


def nodes(model: Model) -> dict[str, ir.Node]:
    """Nodes by name."""
    return {node.name or "": node for node in model.ir.graph}


def outputs(model: Model | None) -> list[str]:
    """Names of the outputs."""
    assert model is not None
    return [spec.name for spec in model.outputs]
