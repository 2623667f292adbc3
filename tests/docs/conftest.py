"""One deploy of the demo for all pages and examples."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.docs.terminal import Terminal


@pytest.fixture(scope="session")
def terminal(tmp_path_factory: pytest.TempPathFactory) -> Terminal:
    """A terminal in which `make demo` has been run."""
    made = Terminal(tmp_path_factory.mktemp("checkout"))
    answer = made("make demo")
    assert answer.status == 0, answer.text
    return made


@pytest.fixture
def checkout(terminal: Terminal) -> Path:
    """Its folder."""
    return terminal.folder
