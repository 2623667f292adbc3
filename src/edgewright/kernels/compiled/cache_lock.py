"""One process at a time in Numba's cache of a function.

Numba (seen in 0.68, `numba.core.caching.IndexDataCacheFile`) chooses the number of a new file of machine code from an
index that it reads without a lock, and writes the index before the code. Of two processes that compile a function for
different types at once, one may later load what was compiled for the other: wrong values without an error.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]


def lock_cache(compiled: Any) -> None:
    """Let reading and writing the cache of a compiled function hold a lock file beside its index.

    Nothing to do where there is no cache, or no such lock.
    """
    file = getattr(getattr(compiled, "_cache", None), "_cache_file", None)
    if file is not None and fcntl is not None:
        place = Path(f"{file._index_path}.lock")
        file.save, file.load = _alone(file.save, place), _alone(file.load, place)


def _alone(work: Callable[..., Any], place: Path) -> Callable[..., Any]:
    def locked(*arguments: Any) -> Any:
        try:
            lock = place.open("a+b")
        except OSError:  # a folder that cannot be written: nobody changes what is in it
            return work(*arguments)
        with lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            return work(*arguments)

    return locked
