"""How tests are divided among processes (`pytest -n 2 --dist loadgroup`)."""

from __future__ import annotations

from pathlib import Path

import pytest

DOCS = Path(__file__).resolve().parent / "docs"


@pytest.hookimpl(tryfirst=True)  # before the plugin that reads the marks
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A module stays in one process, for its fixtures; so do all pages, which share one `make demo`."""
    for item in items:
        group = "docs" if item.path.is_relative_to(DOCS) else item.nodeid.partition("::")[0]
        item.add_marker(pytest.mark.xdist_group(group))
