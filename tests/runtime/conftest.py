"""Fixtures of `tests.bundle.fixtures`."""

from tests.bundle.fixtures import bundle, packed, temp

__all__ = ["bundle", "packed", "temp"]
