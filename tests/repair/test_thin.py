"""Leaving out what became needless beside the rest."""

from __future__ import annotations

from collections.abc import Sequence

from edgewright.repair.thin import thin_out
from edgewright.repair.widening import Step


def steps(**macs: float) -> tuple[Step, ...]:
    """Steps that cost so much each, in order."""
    total, made = 0.0, []
    for tensor, cost in macs.items():
        total += cost
        made.append(Step(tensor, (f"op_{tensor}",), 1.0, total))
    return tuple(made)


def names(chosen: Sequence[Step]) -> set[str]:
    return {step.tensor for step in chosen}


def test_what_is_needed_stays_and_keeps_its_order() -> None:
    chosen = steps(a=0.1, b=0.2, c=0.3)
    kept = thin_out(chosen, lambda some: names(some) >= {"a", "c"})
    assert [step.tensor for step in kept] == ["a", "c"]
    assert thin_out(chosen, lambda _: False) == chosen


def test_the_costliest_goes_first() -> None:
    """Either of two suffices; the dear one is left out."""
    for chosen in (steps(cheap=0.1, dear=0.4), steps(dear=0.4, cheap=0.1)):
        assert names(thin_out(chosen, lambda some: bool(names(some)))) == {"cheap"}


def test_each_is_judged_beside_what_is_left() -> None:
    seen: list[set[str]] = []

    def good(some: Sequence[Step]) -> bool:
        seen.append(names(some))
        return "c" in names(some) or "a" in names(some)

    assert names(thin_out(steps(a=0.1, b=0.2, c=0.3), good)) == {"a"}
    assert seen == [{"a", "b"}, {"a"}]


def test_nothing_is_asked_of_what_costs_nothing_or_of_the_last() -> None:
    asked: list[set[str]] = []
    kept = thin_out(steps(a=0.0, b=0.0), lambda some: not asked.append(names(some)))
    assert (names(kept), asked) == ({"a", "b"}, [])
    assert names(thin_out(steps(only=0.5), lambda _: True)) == {"only"}
    assert thin_out((), lambda _: True) == ()


def test_only_so_many_are_asked() -> None:
    asked: list[int] = []
    many = steps(**{f"t{number}": 0.01 * (number + 1) for number in range(40)})
    thin_out(many, lambda some: bool(asked.append(len(some))))
    assert 1 <= len(asked) <= 10
