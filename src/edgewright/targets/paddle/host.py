"""This computer, as far as it decides what Paddle runs on and how fast."""

from __future__ import annotations

import os
import platform
from pathlib import Path

_DRIVER = Path("/proc/driver/nvidia/version")
_CPUINFO = Path("/proc/cpuinfo")


def host_facts() -> dict[str, str]:
    """Architecture, processor and its number of cores: oneDNN chooses its kernels by them."""
    return {"architecture": platform.machine(), "cpu": _cpu(), "cores": str(os.cpu_count() or 1)}


def why_no_gpu(driver: Path = _DRIVER) -> str:
    """Why a model cannot be run on a GPU here."""
    if not driver.exists():
        return "this computer has no NVIDIA GPU (there is no driver)"
    return (
        "the packages that Edgewright installs are Paddle for the CPU, which only logs that a GPU was asked for and "
        "then computes on the CPU"
    )


def _cpu() -> str:
    try:
        lines = _CPUINFO.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")
