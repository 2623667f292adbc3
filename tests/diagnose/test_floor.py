"""What 16 bits would leave of the error, and parts that nothing can be told relative to."""

from __future__ import annotations

import numpy as np
import pytest

from edgewright.diagnose.floor import measure_floor
from edgewright.graph.reference import ReferenceSession
from edgewright.quant.layout import default_precisions
from edgewright.quant.qdq import write_qdq
from edgewright.tensors import Part
from tests.helpers import model_from_text, normal
from tests.quant.error_nets import PROFILE, images, network, plan_for

PARTS = (Part("act", "act"), Part("out", "out"))


def test_the_error_at_16_bits() -> None:
    model, feeds = network(), images()
    wide = plan_for(model, precisions=dict(default_precisions(model, PROFILE, "int16")))
    found = measure_floor(model, wide, PARTS, feeds)
    plain, other = ReferenceSession(model.data), ReferenceSession(write_qdq(model, wide).data)
    pairs = [(plain(image)["out"], other(image)["out"]) for image in feeds]
    true = np.sqrt(sum(((b - a) ** 2).sum() for a, b in pairs) / sum((a**2).sum() for a, _ in pairs))
    assert found.parts["out"] == pytest.approx(true, rel=1e-4)
    assert found.silent == ()


def test_without_a_plan_only_silent_parts_are_found() -> None:
    model = model_from_text(
        """
        <ir_version: 8, opset_import: ["" : 17]>
        quiet (float[1,4,8,8] image) => (float[1,4,8,8] zero, float[1,4,8,8] inf, float[1,4,8,8] out) {
            a = Conv (image, w)
            out = Relu (a)
            zero = Sub (a, a)
            one = Exp (zero)
            inf = Div (one, zero)
        }
        """,
        w=normal(4, 4, 1, 1),
    )
    found = measure_floor(model, None, [Part(name, name) for name in ("zero", "inf", "out")], images())
    assert found.parts == {}
    assert found.silent == ("zero", "inf")
