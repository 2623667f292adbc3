"""The environment variables of a vendor's process."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

# what would make another Python, or other libraries, out of the environment's own
_DROPPED_PREFIXES = ("PYTHON", "LD_", "CONDA", "VIRTUAL_ENV", "_PYI")


def surroundings(folder: Path, extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """Variables for a process in the virtual environment `folder`: the user's, less what would lead it astray."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(_DROPPED_PREFIXES)}
    return {
        **kept,
        "PATH": os.pathsep.join([str(folder / "bin"), os.environ.get("PATH", os.defpath)]),
        "PYTHONNOUSERSITE": "1",
        "PYTHONUNBUFFERED": "1",
        "PYTHONIOENCODING": "utf-8",
        **(extra or {}),
    }
