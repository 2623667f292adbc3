"""What the processor that Numba compiles for can do."""

from __future__ import annotations

from typing import Any

import llvmlite.binding
import numba.core.config


def permutes_bytes() -> bool:
    """Whether it looks 128 bytes up in two registers (AVX-512 VBMI), and Numba was not told to leave that alone."""
    told: Any = numba.core.config
    if not told.ENABLE_AVX:
        return False
    if told.CPU_FEATURES is not None:
        return "+avx512vbmi" in told.CPU_FEATURES.split(",")
    if told.CPU_NAME is not None:
        return False
    return bool(llvmlite.binding.get_host_cpu_features().get("avx512vbmi", False))
