from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import numpy as np
import pytest

from edgewright.tensors import Part
from edgewright.verify.ahead import Ahead, Shared
from edgewright.verify.evaluate import Sample, evaluate
from tests.verify.test_evaluate import PLACE, Scaled


def numbers(count: int, seen: list[int]) -> Iterator[int]:
    for number in range(count):
        seen.append(number)
        yield number


def samples() -> Iterator[Sample]:
    for index in range(5):
        yield Sample(f"{index}.png", {"x": np.full((1, 2), index + 1, np.float32)}, PLACE)


def wait_for(condition) -> None:
    until = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.002)


def test_readers_in_threads_see_everything_in_order() -> None:
    shared = Shared(iter(range(2000)), 3)
    found: list[list[int]] = [[], [], []]
    threads = [threading.Thread(target=lambda at=at: found[at].extend(shared.reader(at))) for at in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [list(range(2000))] * 3


def test_the_source_is_read_while_nobody_takes_anything_but_only_so_far() -> None:
    seen: list[int] = []
    with Ahead(numbers(100, seen), lambda number: 10, 45) as ahead:
        wait_for(lambda: len(seen) == 6)
        time.sleep(0.05)
        assert len(seen) == 6, "five lie ready, one waits for room"
        items = iter(ahead)
        assert [next(items) for _ in range(3)] == [0, 1, 2]
        wait_for(lambda: len(seen) == 9)
    assert len(seen) == 9, "it ends with the `with`, whatever is left"
    with Ahead(numbers(7, []), lambda number: 1000, 1) as ahead:
        assert list(ahead) == list(range(7)), "an item that is larger than all that may lie ready passes alone"


def test_what_the_source_raises_is_raised_behind_what_it_gave() -> None:
    def broken() -> Iterator[int]:
        yield 1
        raise ValueError("so it is")

    with Ahead(broken(), lambda number: 1, 10) as ahead:
        items = iter(ahead)
        assert next(items) == 1
        with pytest.raises(ValueError, match="so it is"):
            next(items)


def test_an_interrupt_ends_the_thread() -> None:
    seen: list[int] = []
    with pytest.raises(KeyboardInterrupt), Ahead(numbers(10**9, seen), lambda number: 1, 10):
        raise KeyboardInterrupt
    count, threads = len(seen), threading.active_count()
    time.sleep(0.03)
    assert (len(seen), threading.active_count()) == (count, threads)


class Slow(Scaled):
    """A vendor's session: it takes all samples before it answers the first."""

    def __init__(self, factor: float, reference: Counting) -> None:
        super().__init__(factor)
        self.reference, self.done_meanwhile = reference, 0

    def run_many(self, feeds):
        waiting = list(feeds)
        wait_for(lambda: self.reference.done == len(waiting))
        self.done_meanwhile = self.reference.done
        yield from super().run_many(waiting)


class Counting(Scaled):
    """A reference that counts its answers."""

    done = 0

    def __call__(self, feeds):
        self.done += 1
        return super().__call__(feeds)


def test_the_reference_goes_on_while_the_artifact_is_waited_for_and_nothing_changes() -> None:
    parts = (Part("all", "out", 1),)
    plain = evaluate(Scaled(1), {"prepared": Scaled(1), "int8": Scaled(0.5)}, samples(), parts)
    reference = Counting(1)
    slow = Slow(0.5, reference)
    found = evaluate(reference, {"prepared": Scaled(1), "int8": slow}, samples(), parts, ahead=True)
    assert slow.done_meanwhile == plain.images == found.images
    assert {name: stage.errors for name, stage in found.stages.items()} == {
        name: stage.errors for name, stage in plain.stages.items()
    }
