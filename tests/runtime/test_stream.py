from __future__ import annotations

import gc
import threading
import time

import pytest

from edgewright.errors import DataError, ToolchainError
from edgewright.runtime.laps import MOST_FRAMES, StageTimes
from edgewright.runtime.stream import Stream


def prepare(frame, laps):
    laps.lap("resize")
    return {"x": frame}, f"known {frame}"


def run_many(feeds):
    for sample in feeds:
        yield {"y": sample["x"] * 10}


def decode(outputs, known, laps):
    laps.lap("decode")
    return outputs["y"], known


def threads():
    return [t for t in threading.enumerate() if t.name.startswith("edgewright-")]


def wait_for(condition, seconds=5.0):
    end = time.perf_counter() + seconds
    while not condition() and time.perf_counter() < end:
        time.sleep(0.005)
    assert condition()


def test_results_come_in_order_with_what_was_known_of_their_frame():
    with Stream(range(100), prepare, run_many, decode) as stream:
        assert list(stream) == [(n * 10, f"known {n}") for n in range(100)]
        assert list(stream) == []
    assert [row.stage for row in stream.times.table()] == ["grab", "resize", "run", "decode"]
    assert stream.times.frames == 100
    assert not threads()


def test_a_session_that_reads_ahead_keeps_the_order():
    def in_batches(feeds):
        batch = []
        for sample in feeds:
            batch.append(sample)
            if len(batch) == 3:
                yield from ({"y": one["x"]} for one in batch)
                batch = []
        yield from ({"y": one["x"]} for one in batch)

    found = list(Stream(range(10), prepare, in_batches, decode, depth=1))
    assert found == [(n, f"known {n}") for n in range(10)]


def test_host_and_runtime_work_at_the_same_time():
    def slow(frame, laps):
        time.sleep(0.02)
        return prepare(frame, laps)

    def slow_run(feeds):
        for sample in feeds:
            time.sleep(0.02)
            yield {"y": sample["x"]}

    began = time.perf_counter()
    assert len(list(Stream(range(20), slow, slow_run, decode))) == 20
    assert time.perf_counter() - began < 0.04 * 20 * 0.85  # one after the other would take .8 s


def test_a_slow_reader_holds_the_source_back():
    taken = []

    def source():
        for number in range(1000):
            taken.append(number)
            yield number

    with Stream(source(), prepare, run_many, decode, depth=2) as stream:
        next(stream)
        time.sleep(0.1)
        assert len(taken) <= 8  # 2 + 2 wait, one in each hand, one was read
    assert not threads()
    assert len(taken) <= 9


@pytest.mark.parametrize("stage", ["frames", "prepare", "run", "decode"])
def test_an_error_of_any_stage_ends_the_stream_after_what_was_before_it(stage):
    def fail(number, here):
        if number == 3 and here == stage:
            raise DataError(f"{here} failed")

    def source():
        for number in range(10):
            fail(number, "frames")
            yield number

    def prepared(frame, laps):
        fail(frame, "prepare")
        return {"x": frame}, frame

    def run(feeds):
        for sample in feeds:
            fail(sample["x"], "run")
            yield {"y": sample["x"]}

    def decoded(outputs, known, laps):
        fail(known, "decode")
        return known

    found = []
    with Stream(source(), prepared, run, decoded) as stream, pytest.raises(DataError, match=f"{stage} failed"):
        found.extend(stream)
    assert found == [0, 1, 2]
    wait_for(lambda: not threads())


def test_a_runtime_that_fails_sets_the_source_free():
    def broken(feeds):
        next(iter(feeds))
        raise ToolchainError("the runtime died")
        yield {}

    stream = Stream(iter(int, 1), prepare, broken, decode)
    with pytest.raises(ToolchainError, match="died"):
        next(stream)
    wait_for(lambda: not threads())  # an endless source, and yet its thread ends


def test_a_stream_that_is_dropped_ends_its_threads():
    for result in Stream(iter(int, 1), prepare, run_many, decode):
        assert result == (0, "known 0")
        break
    gc.collect()
    wait_for(lambda: not threads())


def test_times_of_days_do_not_grow():
    times = StageTimes()
    for number in range(MOST_FRAMES + 500):
        times.add({"run": float(number)})
    assert times.frames == MOST_FRAMES + 500
    assert len(times._seconds["run"]) == MOST_FRAMES
    (row,) = times.table()
    assert row.median == pytest.approx((500 + (MOST_FRAMES - 1) / 2) * 1e3)
    assert row.share == 1.0
