"""Bundles to look at and to spoil, for tests of the bundle and of the runtime."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import pytest

from edgewright.bundle.pack import pack_bundle
from tests.bundle.bundle_fakes import fake_contents


@pytest.fixture(scope="session")
def packed(tmp_path_factory):
    """One sound bundle; never changed."""
    work = tmp_path_factory.mktemp("packed")
    return pack_bundle(work / "bundle", fake_contents(work))


@pytest.fixture
def bundle(packed, tmp_path):
    """A copy that a test may spoil, in a folder of its own."""
    return Path(shutil.copytree(packed, tmp_path / "place" / "bundle"))


@pytest.fixture
def temp(tmp_path, monkeypatch):
    """Where temporary files go: whatever is left in it was forgotten."""
    folder = tmp_path / "temp"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder
