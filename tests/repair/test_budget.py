"""What a repair may cost, as it is written."""

from __future__ import annotations

import pytest

from edgewright.errors import UserError
from edgewright.repair.budget import Budget, parse_budget
from edgewright.repair.cost import Cost
from edgewright.workflow.recipe import make_recipe

COST = Cost(int16_macs=0.2, float_macs=0.05, int16_ops=7, float_ops=3, conversions=4, latency=1.2)


@pytest.mark.parametrize(
    ("text", "name", "limit"),
    [
        ("int16-macs<=10%", "int16-macs", 0.1),
        ("  int16-macs <= 2.5 %  ", "int16-macs", 0.025),
        ("float-macs<=0%", "float-macs", 0.0),
        ("int16-ops<=3", "int16-ops", 3),
        ("float-ops<=0", "float-ops", 0),
        ("conversions<=12", "conversions", 12),
        ("latency<=1.05x", "latency", 1.05),
    ],
)
def test_every_cost_can_be_limited(text: str, name: str, limit: float) -> None:
    budget = parse_budget(text)
    assert budget.limit(name) == pytest.approx(limit)
    assert budget.needs_latency == (name == "latency")
    assert len(budget.limits) == 1


def test_several_limits() -> None:
    budget = parse_budget("int16-macs<=10%, latency<=1.05x,float-ops<=0")
    assert dict(budget.limits) == pytest.approx({"int16-macs": 0.1, "latency": 1.05, "float-ops": 0.0})
    assert budget.limit("conversions") is None


@pytest.mark.parametrize("text", ["", "  "])
def test_no_text_limits_nothing(text: str) -> None:
    assert parse_budget(text) == Budget()
    assert Budget().exceeded_by(COST) == ()


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("int16<=10%", "there is no cost 'int16'; there are int16-macs"),
        ("int16-macs<=10", "in percent (10%)"),
        ("int16-macs<=1.05x", "in percent (10%)"),
        ("latency<=1.05", "as a ratio (1.05x)"),
        ("latency<=5%", "as a ratio (1.05x)"),
        ("float-ops<=3%", "as a number"),
        ("int16-macs<=10%, int16-macs<=5%", "int16-macs is limited twice"),
        ("int16-macs<=-1%", "NAME<=NUMBER"),
        ("int16-macs<10%", "NAME<=NUMBER"),
        ("int16-macs=10%", "NAME<=NUMBER"),
        ("int16-macs<=", "NAME<=NUMBER"),
        ("<=10%", "NAME<=NUMBER"),
        ("10%", "NAME<=NUMBER"),
        ("int16-macs<=ten%", "NAME<=NUMBER"),
        ("int16-macs<=nan%", "NAME<=NUMBER"),
        ("int16-macs<=1.0.5%", "1.0.5 is no number"),
        ("int16-macs<=.%", ". is no number"),
        ("latency<=0x", "no run takes no time"),
        ("int16-macs<=10%,", "NAME<=NUMBER"),
        (",", "NAME<=NUMBER"),
        ("int16-macs<=10%,,latency<=1.05x", "NAME<=NUMBER"),
        ("int16-macs<=10%;latency<=1.05x", "NAME<=NUMBER"),
    ],
)
def test_what_cannot_be_read_is_told_with_an_example(text: str, why: str) -> None:
    with pytest.raises(UserError) as caught:
        parse_budget(text)
    error = caught.value
    assert error.where == "--budget"
    assert why in error.why
    assert '"int16-macs<=10%, latency<=1.05x"' in error.todo or '"int16-macs<=10%"' in error.todo


def test_a_recipe_refuses_what_cannot_be_read() -> None:
    data = {"model": {"path": "m.onnx"}, "data": {"images": "i"}}
    assert make_recipe({**data, "repair": {"budget": "int16-macs<=10%"}}).repair.budget == "int16-macs<=10%"
    with pytest.raises(UserError) as caught:
        make_recipe({**data, "repair": {"budget": "int16-macs<=10"}})
    assert "in percent" in caught.value.why


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("int16-macs<=19%", "int16-macs 20.0%, 19.0% allowed"),
        ("float-macs<=4.9%", "float-macs 5.0%, 4.9% allowed"),
        ("int16-ops<=6", "int16-ops 7, 6 allowed"),
        ("float-ops<=2", "float-ops 3, 2 allowed"),
        ("conversions<=3", "conversions 4, 3 allowed"),
        ("latency<=1.05x", "latency 1.20x, 1.05x allowed"),
    ],
)
def test_what_is_exceeded_is_told(text: str, told: str) -> None:
    assert parse_budget(text).exceeded_by(COST) == (told,)


def test_what_just_fits_fits() -> None:
    text = "int16-macs<=20%, float-macs<=5%, int16-ops<=7, float-ops<=3, conversions<=4, latency<=1.2x"
    assert parse_budget(text).exceeded_by(COST) == ()
    assert len(parse_budget("int16-macs<=1%, conversions<=0, latency<=1x").exceeded_by(COST)) == 3


def test_a_time_that_was_not_measured_exceeds_nothing() -> None:
    assert parse_budget("latency<=0.1x").exceeded_by(Cost(0, 0, 0, 0, 0)) == ()
