"""Whether there is a compiler for loops, and the compiled form of a function."""

from __future__ import annotations

import functools
import importlib
import importlib.util
import os
from collections.abc import Callable
from typing import Any

SWITCH = "EDGEWRIGHT_COMPILER"
"""Environment variable; "off" makes everything run without the compiler."""


def has_compiler() -> bool:
    """Whether Numba is installed and not switched off, here or by its own NUMBA_DISABLE_JIT."""
    switched_off = os.environ.get(SWITCH, "").lower() == "off" or os.environ.get("NUMBA_DISABLE_JIT", "0") not in (
        "",
        "0",
    )
    return not switched_off and importlib.util.find_spec("numba") is not None


@functools.cache
def loops(module: str, name: str) -> Callable[..., Any] | None:
    """The compiled function `name` of `kernels.compiled.<module>`; None where there is no compiler.

    Looked up once: switching the compiler on or off later in a process makes no difference.
    """
    if not has_compiler():
        return None
    found: Callable[..., Any] = getattr(importlib.import_module(f"edgewright.kernels.compiled.{module}"), name)
    return found
