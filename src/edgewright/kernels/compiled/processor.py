"""What the processor that Numba compiles for can do."""

from __future__ import annotations

import llvmlite.binding
import numba


def permutes_bytes() -> bool:
    """Whether it looks 128 bytes up in two registers (AVX-512 VBMI), and Numba was not told to leave that alone."""
    if not numba.config.ENABLE_AVX:
        return False
    if numba.config.CPU_FEATURES is not None:
        return "+avx512vbmi" in numba.config.CPU_FEATURES.split(",")
    if numba.config.CPU_NAME is not None:
        return False
    return bool(llvmlite.binding.get_host_cpu_features().get("avx512vbmi", False))
