"""What about this computer decides how ONNX Runtime computes int8 on it."""

from __future__ import annotations

import functools
import platform
from pathlib import Path

_DOT_PRODUCTS = ("avx512_vnni", "avx_vnni", "amx_int8", "asimddp", "i8mm")


@functools.cache
def host_facts() -> dict[str, str]:
    """Architecture, operating system, CPU model and the int8 dot-product features of the CPU."""
    text = _cpuinfo()
    flags = _field(text, "flags") or _field(text, "Features")
    present = [name for name in _DOT_PRODUCTS if f" {name} " in f" {flags} "]
    return {
        "architecture": platform.machine(),
        "system": platform.system(),
        "cpu": _field(text, "model name") or platform.processor() or "unknown",
        "int8_dot_product": ",".join(present) if present else ("none" if flags else "unknown"),
    }


def _cpuinfo() -> str:
    try:
        return Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:  # not Linux
        return ""


def _field(text: str, name: str) -> str:
    for line in text.splitlines():
        key, _, value = line.partition(":")
        if key.strip() == name:
            return value.strip()
    return ""
