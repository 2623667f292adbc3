"""Two chips side by side, and what each difference costs."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from edgewright.diagnose.chip_swaps import (
    ACTIVATIONS,
    BIASES,
    ONE_STEP,
    OTHER,
    THIS,
    WEIGHTS,
    measure_swaps,
    swapped_plans,
)
from edgewright.diagnose.chips import ChipComparison, joined_rows, only_in, properties, same_grids
from edgewright.diagnose.vendor_layers import VendorLayers, VendorTensor
from edgewright.graph.model import Model
from edgewright.quant.plan import PrecisionPlan
from edgewright.tensors import Part
from tests.helpers import model_from_text, normal
from tests.targets.sophgo.nets import TAIL, images, network, planned


def plans() -> tuple[Model, PrecisionPlan, PrecisionPlan]:
    """What BM1684 and BM1684X are expected to make of the same ranges, both without zero points."""
    from edgewright.targets.sophgo.backend import SophgoBackend

    model = network()
    return model, *(
        SophgoBackend(chip).expected_plan(model, planned(model, chip, TAIL, symmetric=True))
        for chip in ("bm1684", "bm1684x")
    )


def test_what_the_chips_make_of_one_table_is_counted() -> None:
    model, here, there = plans()
    ours, theirs = properties(model, here), properties(model, there)
    assert (ours["one step for the whole weight"], ours["a step for each channel"], ours["biases of 16 bits"]) == (
        4,
        0,
        3,
    )
    assert (theirs["one step for the whole weight"], theirs["a step for each channel"]) == (0, 4)
    assert theirs["biases of 16 bits"] == 0
    asked = planned(model, "bm1684", TAIL), planned(model, "bm1684x", TAIL)
    assert same_grids(*asked) == (len(asked[0].activations),) * 2
    assert same_grids(asked[0], replace(asked[1], activations={})) == (0, 0)


def test_one_property_is_swapped_at_a_time() -> None:
    model, here, there = plans()
    found = dict(swapped_plans(model, here, there))
    assert list(found) == [OTHER, ONE_STEP, WEIGHTS, BIASES, THIS]
    assert found[ONE_STEP].weights["w2"].axis is None
    largest = np.abs(model.ir.graph.initializers["w2"].const_value.numpy()).max()
    assert float(found[ONE_STEP].weights["w2"].scale) == pytest.approx(largest / 127)
    assert float(found[WEIGHTS].weights["w2"].scale) == float(here.weights["w2"].scale) > largest / 127
    assert found[WEIGHTS].weights["b1"].to_json() == there.weights["b1"].to_json()
    assert found[BIASES].weights["b1"].bits == 16
    assert found[BIASES].weights["w2"].to_json() == there.weights["w2"].to_json()
    same = dict(swapped_plans(model, there, there))
    assert list(same) == [OTHER, THIS], "what does not differ is not tried"
    wider = {name: replace(grid, scale=grid.scale * 2) for name, grid in there.activations.items()}
    assert ACTIVATIONS in dict(swapped_plans(model, replace(there, activations=wider), there))


def test_the_depthwise_layer_with_uneven_channels_pays_for_one_step() -> None:
    model, here, there = plans()
    parts = [Part("pooled", "pooled", 1, 0, None, "tensor")]
    found = {
        swap.what: swap.parts["pooled"]
        for swap in measure_swaps(model, swapped_plans(model, here, there), parts, images(3))
    }
    assert found[OTHER] is not None
    assert found[ONE_STEP] is not None
    assert found[WEIGHTS] is not None
    assert found[OTHER] < min(found[ONE_STEP], found[WEIGHTS])
    assert found[BIASES] == pytest.approx(found[OTHER], rel=0.2)


def test_the_decode_tail_is_in_float_in_every_swap() -> None:
    model = model_from_text(
        """<ir_version: 8, opset_import: ["" : 13]> g (float[1,3,8,8] image) => (float[1,8,8,8] out) {
        [conv] c = Conv (image, w)  [sig] s = Sigmoid (c)  [join] out = Concat <axis = 1> (c, s) }""",
        w=normal(4, 3, 1, 1),
    )
    plan = PrecisionPlan("", {}, {}, {"conv": "int8", "sig": "int8", "join": "int8"})
    for _, swapped in swapped_plans(model, plan, plan):
        assert dict(swapped.ops) == {"conv": "int8"}


def tensor(name: str, depth: int, vendor: float, alone: float | None, op_type: str = "Conv") -> VendorTensor:
    return VendorTensor(name, f"n{name}", op_type, (f"/{name}",), depth, vendor, vendor, 0.0, alone, alone)


def comparison() -> ChipComparison:
    model = model_from_text(
        """<ir_version: 8, opset_import: ["" : 13]> g (float[1,4,8,8] x) => (float[1,4,8,8] c) {
        [na] a = Conv (x, w)  [nb] b = Conv <group = 4> (a, v)  [nc] c = Add (b, a) }""",
        w=normal(4, 4, 1, 1),
        v=normal(4, 1, 1, 1),
    )
    here = VendorLayers(
        "A",
        8,
        2,
        (tensor("a", 1, 0.10, 0.10), tensor("b", 2, 0.5, 0.4), tensor("c", 3, 0.5, 0.05, "Add")),
        (),
        {},
        (),
        {},
        (),
    )
    there = VendorLayers("B", 8, 2, (tensor("a", 1, 0.095, 0.10), tensor("b", 2, 0.2, 0.1)), (), {"c": "d"}, (), {}, ())
    return ChipComparison(
        "v/a", "v/b", "A", "B", 8, 3, 3, joined_rows(model, here, there), only_in(here.tensors, there),
        only_in(there.tensors, here), {"map": (0.5, 0.2)}, {}, (), 4, {"here": {}, "there": {}},
    )  # fmt: skip


def test_the_first_layer_at_which_they_part_and_the_kinds_that_are_worse() -> None:
    found = comparison()
    first = found.first()
    assert first is not None
    assert (first.name, first.kind) == ("/b", "depthwise Conv")
    assert [(kind.kind, kind.count, kind.here, kind.there, kind.worse) for kind in found.kinds()] == [
        ("depthwise Conv", 1, 0.4, 0.1, 1),
        ("Conv", 1, 0.1, 0.1, 0),
    ]
    assert [row.tensor for row in found.worst(5)] == ["b"]
    assert found.worst(5)[0].excess == pytest.approx(np.sqrt(0.15))
    assert (found.only_here, found.only_there) == (("c",), ())
    data = json.loads(json.dumps(found.to_json()))
    assert (data["first"], data["kinds"][0]["worse"]) == ("b", 1)
