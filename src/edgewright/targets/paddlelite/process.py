"""Calls of the worker in Paddle Lite's environment, and their limits."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edgewright.toolchains.environments import Environment, environment
from edgewright.toolchains.limits import Limits
from edgewright.toolchains.vendors import vendor_rules, vendor_spec
from edgewright.toolchains.worker import Reply, call

VENDOR = "paddlelite"
SCRIPT = Path(__file__).parent / "worker" / "worker.py"
_SECONDS = {"optimise": 900.0, "ops": 120.0}


def toolchain_environment(version: str | None = None) -> Environment:
    """The environment of a version of Paddle Lite (the default one).

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
    # the runtime takes as many threads as OpenMP gives it; its Python interface cannot say how many
    threads = os.environ.get("OMP_NUM_THREADS", str(len(os.sched_getaffinity(0))))
    return call(made, SCRIPT, command, arguments, folder, limits, {"OMP_NUM_THREADS": threads}, vendor_rules(VENDOR))
