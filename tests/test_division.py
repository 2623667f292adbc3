"""How tests are divided among processes is seen in their names: the plugin adds what it has understood."""

from __future__ import annotations

import pytest


def test_a_module_stays_in_one_process(request: pytest.FixtureRequest) -> None:
    if not request.config.getoption("loadgroup", default=False):
        pytest.skip("one process")
    assert request.node.nodeid.endswith("@tests/test_division.py")
