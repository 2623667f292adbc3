"""float16 overflow: in results, and on the way to them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from edgewright.diagnose.causes import CauseContext
from edgewright.findings import Severity
from tests.diagnose.causes.contexts import context, found
from tests.helpers import model_from_text, normal

HEADER = '<ir_version: 8, opset_import: ["" : 17]>\n'


def net(body: str, shape: str, scale: float = 1.0, **weights: np.ndarray) -> CauseContext:
    text = f"{HEADER}g (float[1,64,8,8] x) => (float[{shape}] y) {{ {body} }}"
    feeds = [{"x": scale * np.clip(normal(1, 64, 8, 8, seed=seed), -4, 4)} for seed in range(2)]
    made = context(model_from_text(text, **weights), feeds)
    tensors = [value.name or "" for node in made.model.ir.graph for value in node.outputs]
    return replace(made, has_float16=True, float16_tensors=frozenset(tensors))


def large(factor: float) -> CauseContext:
    return net("[grow] y = Mul (x, by)", "1,64,8,8", by=np.full((), factor, np.float32))


def test_a_result_beyond_the_end() -> None:
    made = large(30000.0)
    (finding,) = found(made, "float16-overflow")
    assert (finding.code, finding.where, finding.severity) == ("EW318", "grow", Severity.ERROR)
    assert finding.evidence["largest"] > 65504
    assert finding.evidence["damage"] is None
    assert finding.evidence["remedies"] == ["rescale-boxes", "cut-tail", "16bit"]
    assert found(large(10000.0), "float16-overflow") == []
    assert found(replace(made, has_float16=False), "float16-overflow") == []
    assert found(replace(made, float16_tensors=frozenset({"x"})), "float16-overflow") == []


def conv(scale: float) -> CauseContext:
    # two halves that cancel: the result is 0, the sum on the way is not
    weights = np.concatenate([np.full((1, 32, 1, 1), 50.0), np.full((1, 32, 1, 1), -50.0)], axis=1).astype(np.float32)
    return net("[conv] y = Conv (x, w)", "1,1,8,8", scale, w=weights)


def test_a_sum_that_grows_on_the_way() -> None:
    made = conv(10.0)
    assert abs(made.errors["y"].maximum) < 65504
    (finding,) = found(made, "float16-overflow")
    assert finding.severity is Severity.WARNING
    assert finding.evidence["largest"] == pytest.approx(64 * 50 * 40, rel=0.05)
    assert "|weight|" in finding.evidence["form"]
    assert finding.evidence["remedies"] == ["16bit"]
    assert found(conv(1.0), "float16-overflow") == []


@pytest.mark.parametrize(
    ("body", "shape", "scale"),
    [
        ("[norm] y = InstanceNormalization (x, ones, zeros)", "1,64,8,8", 100.0),
        ("[norm] y = ReduceL2 <axes = [1, 2, 3], keepdims = 1> (x)", "1,1,1,1", 10.0),
        ("[norm] y = ReduceMean <axes = [1, 2, 3], keepdims = 1> (shifted)", "1,1,1,1", 10.0),
    ],
)
def test_norms_and_means(body: str, shape: str, scale: float) -> None:
    constants = {"ones": np.ones(64, np.float32), "zeros": np.zeros(64, np.float32)}
    shift = "[shift] shifted = Add (x, far)" if "shifted" in body else ""
    constants["far"] = np.full((), 5 * scale, np.float32)
    (finding,) = found(net(f"{shift} {body}", shape, scale, **constants), "float16-overflow")
    assert finding.where == "norm"
    constants["far"] = np.full((), 0.05 * scale, np.float32)
    assert found(net(f"{shift} {body}", shape, scale / 100, **constants), "float16-overflow") == []
