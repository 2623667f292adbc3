"""Samples for one child process at a time: as many as the memory and the disk of both sides hold."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from numpy.typing import NDArray

Feeds = Mapping[str, NDArray[Any]]

MOST_BYTES, MOST_SAMPLES = 192_000_000, 256
"""Of the inputs of one process."""


def chunked(feeds: Iterable[Feeds]) -> Iterator[list[Feeds]]:
    """Samples in order, in lists of at least one; the first of a list tells how large the others are."""
    waiting = iter(feeds)
    for first in waiting:
        size = sum(values.nbytes for values in first.values())
        more = max(0, min(MOST_SAMPLES, MOST_BYTES // max(size, 1)) - 1)
        yield [first, *itertools.islice(waiting, more)]
