from __future__ import annotations

import importlib.util

import pytest

from edgewright.kernels.choice import SWITCH, has_compiler

INSTALLED = importlib.util.find_spec("numba") is not None


def test_it_is_there_where_numba_is(monkeypatch):
    monkeypatch.delenv(SWITCH, raising=False)
    monkeypatch.delenv("NUMBA_DISABLE_JIT", raising=False)
    assert has_compiler() is INSTALLED


@pytest.mark.parametrize(("name", "value"), [(SWITCH, "off"), (SWITCH, "OFF"), ("NUMBA_DISABLE_JIT", "1")])
def test_it_can_be_switched_off(monkeypatch, name, value):
    monkeypatch.setenv(name, value)
    assert not has_compiler()
