"""RKNN-Toolkit2 as seen from here: its environment, and calls of the worker in it."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgewright.targets.facts import load_facts
from edgewright.toolchains.environments import Environment, environment, installed
from edgewright.toolchains.limits import Limits
from edgewright.toolchains.spec import ToolchainSpec
from edgewright.toolchains.vendors import vendor_rules, vendor_spec
from edgewright.toolchains.worker import call

VENDOR = "rockchip"
NAME = "RKNN-Toolkit2"
MODEL_FILE = "model.onnx"
_WORKER = Path(__file__).parent / "worker.py"
_BUILD = Limits(seconds=1800, memory_mb=12000)
_SECONDS_A_SAMPLE = 20.0


@functools.cache
def spec() -> ToolchainSpec:
    """What the toolkit is made of."""
    return vendor_spec(VENDOR)


@dataclass(frozen=True)
class Tool:
    """The toolkit, for one chip.

    Attributes:
        chip: as the toolkit calls it (`target_platform`).
        version: of the toolkit.
    """

    chip: str
    version: str

    @property
    def environment(self) -> Environment:
        """Where it is installed.

        Raises:
            ToolchainMissing: it is not; the message says how to install it.
        """
        return environment(spec(), self.version)

    @property
    def environment_digest(self) -> str:
        """Digest of the environment, empty where it is not installed: cheap, and never an error."""
        return next((entry.digest for entry in installed(spec()) if entry.version == self.version), "")

    def call(self, command: str, arguments: Mapping[str, Any], folder: Path, *, samples: int = 0) -> Mapping[str, Any]:
        """One command of the worker, in `folder`.

        Args:
            samples: how many the simulator runs, for the time limit.

        Raises:
            ToolchainMissing: the toolkit is not installed.
            WorkerFailed: it died, hung, raised or returned an error value.
        """
        limits = Limits(_BUILD.seconds + samples * _SECONDS_A_SAMPLE, _BUILD.memory_mb)
        disabled = load_facts(VENDOR)["toolchain"]["disabled_rules"].get(self.version)
        options = {**({"disable_rules": list(disabled)} if disabled else {}), **arguments.get("options", {})}
        whole = {"platform": self.chip, "model": MODEL_FILE, **arguments, "options": options}
        reply = call(self.environment, _WORKER, command, whole, folder, limits, rules=vendor_rules(VENDOR))
        return reply.result
