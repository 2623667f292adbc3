"""The environment that tests with the real toolkit share."""

from __future__ import annotations

import pytest

from edgewright.toolchains.environments import Environment, ensure
from edgewright.toolchains.vendors import vendor_spec


@pytest.fixture(scope="session")
def toolkit() -> Environment:
    """RKNN-Toolkit2, installed where it is missing."""
    return ensure(vendor_spec("rockchip"), yes=True)
