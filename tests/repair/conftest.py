"""What tests of the search share."""

from __future__ import annotations

import pytest

from tests.repair.fake_bench import Memory


@pytest.fixture(scope="session")
def memory(tmp_path_factory: pytest.TempPathFactory) -> Memory:
    """Results of remedies, computed once for all tests; figures are not kept in it."""
    return Memory(tmp_path_factory.mktemp("kept"))
