"""How tests are divided among processes (`pytest -n 2 --dist loadgroup`)."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

if "PYTEST_XDIST_WORKER" in os.environ:
    # Numba numbers the files of a function's compiled forms without a lock: of two that compile forms of
    # one function at once, one later loads what the other wrote. Each process of a run keeps its own.
    own = Path(sys.prefix) / "numba" / os.environ["PYTEST_XDIST_WORKER"]
    os.environ.setdefault("NUMBA_CACHE_DIR", str(own))

DOCS = Path(__file__).resolve().parent / "docs"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A module stays in one process, for its fixtures; so do all pages, which share one `make demo`."""
    for item in items:
        group = "docs" if item.path.is_relative_to(DOCS) else item.nodeid.partition("::")[0]
        item.add_marker(pytest.mark.xdist_group(group))
