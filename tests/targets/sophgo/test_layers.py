"""Tensors and ops of recorded lowered modules (see `test_plan.py`)."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from edgewright.targets.sophgo.layers import present_tensors, program
from edgewright.targets.sophgo.lowered import Lookup
from edgewright.targets.sophgo.mlir import MlirOp, parse_mlir

MODULES = Path(__file__).parent / "modules"


def recorded(name: str) -> tuple[list[MlirOp], Lookup]:
    lookup = Lookup.from_json(json.loads((MODULES / "names.json").read_text(encoding="utf-8")))
    return parse_mlir((MODULES / f"{name}.mlir").read_text(encoding="utf-8")), lookup


@pytest.mark.parametrize("name", ["bm1684_all", "bm1684_tail", "bm1684x_all", "cv181x_all"])
def test_tensors_are_found_by_the_op_that_makes_them_and_never_by_a_conversion(name: str) -> None:
    ops, lookup = recorded(name)
    found = present_tensors(ops, lookup)
    assert {"r", "d", "body", "sum", "pooled"} <= set(found)
    assert {"image", "a", "s"}.isdisjoint(found), "fed as real values, absorbed by the ReLU, inside the SiLU"
    makers = {name: op for op in ops for name in op.names}
    kinds = {tensor: makers[name].kind for tensor, name in found.items()}
    assert kinds["d"] == "tpu.Conv2D"
    assert kinds["sum"] == "tpu.Add"
    assert not any(makers[name].converts for name in found.values())


def test_an_op_alone_is_fed_through_the_conversions_before_it() -> None:
    ops, lookup = recorded("bm1684_tail")
    steps = program(ops, lookup, list(present_tensors(ops, lookup)))
    assert steps["sum"] == [["set", "body_Mul", "body"], ["set", "r_Relu", "r"], ["run", "sum_Add"]]
    first = steps["r"]
    assert first[0] == ["set", "image", "image"]
    assert [step[0] for step in first] == ["set", "run", "run"], "its input is put on codes by an op of its own"
    assert first[-1] == ["run", "r_Relu"]
    joined = steps["both"]
    assert [step[2] for step in joined if step[0] == "set"] == ["boxes", "logits"]
    assert joined[-1] == ["run", "both_Concat"]
    assert set(program(ops, lookup, ["d"])) == {"d"}
