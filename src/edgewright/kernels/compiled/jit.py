"""How loops are compiled: once for each type of their arguments, and kept on disk for the next process."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba

from edgewright.kernels.compiled.cache_lock import lock_cache

F = TypeVar("F", bound=Callable[..., Any])


def kernel(function: F) -> F:
    """`function` compiled by Numba.

    Without fast-math and without contraction: a product and a sum round apart, as NumPy rounds them. Other Python
    threads run meanwhile. Where no folder can be written the machine code is not kept, and each process compiles anew.
    """
    compiler = functools.partial(numba.njit, nogil=True, error_model="numpy")
    try:
        compiled = compiler(cache=True)(function)
        lock_cache(compiled)
        return cast("F", compiled)
    except RuntimeError:  # Numba found no place for its cache
        return cast("F", compiler()(function))
