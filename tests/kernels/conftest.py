"""Kernels with and without the compiler."""

from __future__ import annotations

import importlib.util

import pytest

from edgewright.kernels.choice import loops


@pytest.fixture
def switch(monkeypatch):
    """Turns the compiler on or off for the calls that follow."""

    def turn(on):
        if on and importlib.util.find_spec("numba") is None:
            pytest.skip("no compiler here")
        monkeypatch.setenv("EDGEWRIGHT_COMPILER", "on" if on else "off")
        loops.cache_clear()

    yield turn
    loops.cache_clear()
