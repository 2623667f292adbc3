"""Samples go to a child process in lists that fit the memory."""

import numpy as np

from edgewright.targets.chunks import chunked


def test_samples_go_in_lists_that_fit_the_memory() -> None:
    large = [{"x": np.zeros((1, 3, 2000, 2000), np.float32)} for _ in range(9)]
    assert [len(chunk) for chunk in chunked(iter(large))] == [4, 4, 1]
    assert [len(chunk) for chunk in chunked({"x": np.zeros(1)} for _ in range(300))] == [256, 44]


def test_a_sample_that_is_too_large_goes_alone_and_none_is_lost() -> None:
    huge = np.broadcast_to(np.float32(0), (100_000_000,))
    samples = [{"x": huge, "number": np.array(index)} for index in range(3)]
    assert [[int(one["number"]) for one in chunk] for chunk in chunked(samples)] == [[0], [1], [2]]
    assert list(chunked([])) == []
