"""The toolkit's first step, once for builds that differ in their plan only: it takes most of a build's time."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edgewright.files import explained_write_errors, write_bytes_atomic
from edgewright.graph.model import Model
from edgewright.targets.backend import Feeds, Samples
from edgewright.targets.rockchip.calibrate import FUSED_FILE, RANGE_IMAGES, STATE_FILE, prepare
from edgewright.targets.rockchip.plan import Prepared
from edgewright.targets.rockchip.tool import Tool

_MOST_BYTES = 256 << 20
"""Of files that are kept in memory; the fused graph of a larger model is made again."""


@dataclass(frozen=True)
class _Kept:
    key: str
    prepared: Prepared
    files: dict[str, bytes]


class FirstStep:
    """Remembers the last model that was prepared: a search builds many plans of one model in a row.

    Args:
        tool: what the answer depends on besides model and images.
    """

    def __init__(self, tool: Tool) -> None:
        self._tool = tool
        self._last: _Kept | None = None

    def prepare(self, model: Model, folder: Path, samples: Samples | None) -> Prepared:
        """See `calibrate.prepare`; leaves the same files in `folder`."""
        if samples is None:
            return prepare(self._tool, model, folder, None)  # says what is missing
        images = list(itertools.islice(samples(RANGE_IMAGES), RANGE_IMAGES))
        key = f"{self._tool.environment_digest} {model.digest} {_digest(images)}"
        if self._last is not None and self._last.key == key:
            with explained_write_errors(folder):
                folder.mkdir(parents=True, exist_ok=True)
            for name, data in self._last.files.items():
                write_bytes_atomic(folder / name, data)
            return self._last.prepared
        prepared = prepare(self._tool, model, folder, lambda count: images[:count])
        paths = [folder / name for name in (FUSED_FILE, STATE_FILE)]
        if sum(path.stat().st_size for path in paths) <= _MOST_BYTES:
            self._last = _Kept(key, prepared, {path.name: path.read_bytes() for path in paths})
        return prepared


def _digest(images: Sequence[Feeds]) -> str:
    found = hashlib.sha256()
    for feeds in images:
        for name in sorted(feeds):
            array = np.ascontiguousarray(feeds[name])
            found.update(f"{name} {array.dtype} {array.shape} ".encode())
            found.update(array.data)
    return found.hexdigest()
