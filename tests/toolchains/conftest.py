"""A vendor of our own: no packages, workers of a few lines."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from edgewright.toolchains.environments import Environment
from edgewright.toolchains.install import install
from edgewright.toolchains.spec import ToolchainSpec, load_spec

MINOR = f"{sys.version_info.major}.{sys.version_info.minor}"
MakeSpec = Callable[..., ToolchainSpec]


def spec_of(folder: Path | None = None, probe: str = "import json", more: str = "") -> ToolchainSpec:
    text = f"""
        vendor = "acme"
        title = "Acme Compiler"
        default = "2.0"
        [versions."2.0"]
        python = ["{MINOR}"]
        disk_mb = 1
        probe = {probe!r}
        {more}
        [versions."1.0"]
        python = ["{MINOR}"]
        disk_mb = 1
        probe = "import json"
    """
    return load_spec(text, folder)


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache; returns where this vendor's environments will lie."""
    monkeypatch.setenv("EDGEWRIGHT_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "toolchains" / "acme"


@pytest.fixture(scope="session")
def acme(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Environment]:
    """An installed environment that no test changes."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EDGEWRIGHT_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield install(spec_of())


def left(folder: Path) -> list[str]:
    """What lies in a vendor's folder, its locks apart."""
    return sorted(path.name for path in folder.iterdir() if path.suffix != ".lock") if folder.exists() else []
