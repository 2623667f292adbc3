"""Calls of the worker: TPU-MLIR's environment, the variables that it wants, and its limits."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edgewright.toolchains.environments import Environment, environment
from edgewright.toolchains.limits import Limits
from edgewright.toolchains.vendors import vendor_rules, vendor_spec
from edgewright.toolchains.worker import Reply, call

VENDOR = "sophgo"
_SCRIPT = Path(__file__).parent / "worker" / "worker.py"
_SECONDS = {"transform": 900.0, "lower": 900.0, "deploy": 3600.0, "calibrate": 3600.0}
"""Limits of the steps. The compiler takes minutes for a large detector; its search for layer groups has none."""


def toolchain_environment(version: str | None = None) -> Environment:
    """The environment of a version of TPU-MLIR (the default one).

    Raises:
        ToolchainMissing: it is not installed.
    """
    return environment(vendor_spec(VENDOR), version)


def call_worker(
    made: Environment,
    command: str,
    arguments: Mapping[str, Any],
    folder: Path,
    seconds: float | None = None,
) -> Reply:
    """Run a command of `worker/worker.py` in `folder`; see `toolchains.worker.call`.

    Args:
        seconds: time limit; None takes that of the command.
    """
    limits = Limits(seconds=_SECONDS[command] if seconds is None else seconds)
    return call(made, _SCRIPT, command, arguments, folder, limits, variables(made), vendor_rules(VENDOR))


def variables(made: Environment) -> dict[str, str]:
    """What `tpu_mlir/__init__.py` would set. It must be there when a process starts: the loader reads its path once."""
    top = made.site_packages / "tpu_mlir"
    commands = [made.folder / "bin", top / "bin", top / "python" / "tools", top / "python" / "utils"]
    modules = [top, top / "python", top / "customlayer" / "python"]
    libraries = [top / "lib", top / "lib" / "capi", top / "lib" / "third_party"]
    return {
        "TPUC_ROOT": str(top),
        "PATH": os.pathsep.join([*map(str, commands), os.environ.get("PATH", os.defpath)]),
        "PYTHONPATH": os.pathsep.join(map(str, modules)),
        "LD_LIBRARY_PATH": os.pathsep.join(map(str, libraries)),
        "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", str(len(os.sched_getaffinity(0)))),
        "TPUKERNEL_CUSTOM_FIRMWARE_PATH": str(top / "lib" / "libcmodel_custom.so"),
    }
