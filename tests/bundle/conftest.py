from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # bundle_fakes, in every import mode of pytest


@pytest.fixture(scope="session")
def packed(tmp_path_factory):
    """One sound bundle; never changed."""
    from bundle_fakes import fake_contents

    from edgewright.bundle.pack import pack_bundle

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
