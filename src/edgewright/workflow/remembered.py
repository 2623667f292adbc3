"""The source model's answers, kept from one variant to the next: the same images pass it once for each."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from edgewright.targets.backend import Feeds, Outputs, Session

_MOST = 256 << 20
"""Bytes of outputs that are kept; what is beyond is computed again each time."""


class RememberedSession:
    """A session that answers known inputs from memory.

    Args:
        session: what computes the outputs. It is not closed from here: it serves the next variant as well.
    """

    def __init__(self, session: Session) -> None:
        self.ran_on = session.ran_on
        self._session = session
        self._known: dict[bytes, Outputs] = {}
        self._bytes = 0

    def __call__(self, feeds: Feeds) -> Outputs:
        """Run one sample, or remember it."""
        key = _digest(feeds)
        if key not in self._known:
            outputs = self._session(feeds)
            size = sum(array.nbytes for array in outputs.values())
            if self._bytes + size > _MOST:
                return outputs
            self._known[key] = outputs
            self._bytes += size
        return dict(self._known[key])

    def run_many(self, feeds: Any) -> Iterator[Outputs]:
        """Run samples in order."""
        for sample in feeds:
            yield self(sample)

    def __enter__(self) -> RememberedSession:
        return self

    def __exit__(self, *error: object) -> None:
        pass


def _digest(feeds: Feeds) -> bytes:
    found = hashlib.blake2b(digest_size=16)
    named: Mapping[str, Any] = feeds
    for name in sorted(named):
        array = np.ascontiguousarray(named[name])
        found.update(f"{name} {array.dtype} {array.shape}".encode())
        found.update(array.data)
    return found.digest()
