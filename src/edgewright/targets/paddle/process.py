"""Calls of the workers in a Paddle environment."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edgewright.toolchains.environments import Environment, environment
from edgewright.toolchains.limits import Limits
from edgewright.toolchains.vendors import vendor_rules, vendor_spec
from edgewright.toolchains.worker import Reply, call

VENDOR = "paddle"
NAME = "Paddle"
_WORKERS = Path(__file__).parent / "worker"
_SECONDS, _MEMORY_MB = 900.0, 12000


def paddle_environment(version: str | None = None) -> Environment:
    """The environment of a version of Paddle (the default one).

    Raises:
        ToolchainMissing: it is not installed.
    """
    return environment(vendor_spec(VENDOR), version)


def call_worker(
    made: Environment,
    operation: str,
    arguments: Mapping[str, Any],
    folder: Path,
    seconds: float = _SECONDS,
    memory_mb: float = _MEMORY_MB,
) -> Reply:
    """Run the command `operation` of `worker/OPERATION.py` in `folder`; see `toolchains.worker.call`."""
    limits = Limits(seconds=seconds, memory_mb=memory_mb)
    script = _WORKERS / f"{operation}.py"
    return call(made, script, operation, arguments, folder, limits, rules=vendor_rules(VENDOR))
