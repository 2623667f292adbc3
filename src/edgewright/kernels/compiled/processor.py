"""What the processor that Numba compiles for can do."""

from __future__ import annotations

from typing import Any

import llvmlite.binding
import numba.core.config

from edgewright.kernels.arithmetic import PERMUTE, SHUFFLE, TABLES


def table_kind() -> int | None:
    """How a table of 256 bytes is best held in registers: `PERMUTE`, `SHUFFLE` or `TABLES`; None for not at all.

    None too where Numba was told to compile for another processor than this one.
    """
    told: Any = numba.core.config
    if not told.ENABLE_AVX or told.CPU_NAME is not None or told.CPU_FEATURES is not None:
        return None
    if llvmlite.binding.get_process_triple().startswith(("aarch64", "arm64")):
        return TABLES
    has = llvmlite.binding.get_host_cpu_features()
    return PERMUTE if has.get("avx512vbmi", False) else SHUFFLE if has.get("avx2", False) else None
