# Runs on a Paddle environment's Python 3.11.
"""What a Paddle program is. `worker_side` is put on the path by the host."""

from __future__ import annotations

from typing import Any

import programs  # type: ignore[import-not-found]
from worker_side import main  # type: ignore[import-not-found]


def describe(arguments: dict[str, Any]) -> dict[str, Any]:
    """{"program", "weights"} to {"inputs", "outputs", "ops", "suppressions", "versions"}."""
    return facts(programs.load(arguments["program"], arguments["weights"]))


def facts(program: Any) -> dict[str, Any]:
    """The same for a program that is loaded."""
    return {
        "inputs": program.inputs(),
        "outputs": program.outputs(),
        "ops": program.ops(),
        "suppressions": [program.about(op) for op in program.suppressions()],
        "versions": programs.versions(),
    }


if __name__ == "__main__":
    main({"describe": describe})
