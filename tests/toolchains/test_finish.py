from __future__ import annotations

from pathlib import Path

import pytest

from edgewright.errors import ToolchainError
from edgewright.toolchains import finish
from edgewright.toolchains.finish import add_stubs, glibc_release, set_aside_glibc, system_glibc

BANNER = "GNU C Library (Ubuntu GLIBC {0}) stable release version {0}.\n"


@pytest.fixture
def shipped(tmp_path: Path) -> Path:
    """A package that ships a whole glibc, and a library of its own beside it."""
    folder = tmp_path / "acme" / "lib" / "third_party"
    folder.mkdir(parents=True)
    (folder / "libc.so.6").write_bytes(b"\x7fELF\0" + BANNER.format("2.35").encode())
    for name in ("libm.so.6", "libpthread.so.0", "libstdc++.so.6", "libmagic.so.1"):
        (folder / name).write_bytes(b"\x7fELF")
    return folder


@pytest.mark.parametrize("mine", [(2, 35), (2, 36), (3, 0)])
def test_a_shipped_glibc_that_is_no_newer_goes_aside(
    mine: tuple[int, int], shipped: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(finish, "system_glibc", lambda: mine)
    moved = set_aside_glibc(tmp_path)
    assert [path.name for path in moved] == ["libc.so.6", "libm.so.6", "libpthread.so.0"]
    assert sorted(path.name for path in shipped.iterdir()) == [
        *("libc.so.6.shipped", "libm.so.6.shipped", "libmagic.so.1", "libpthread.so.0.shipped", "libstdc++.so.6")
    ]


@pytest.mark.parametrize("mine", [(2, 34), (2, 9), None])
def test_a_shipped_glibc_that_is_newer_stays(
    mine: tuple[int, int] | None, shipped: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(finish, "system_glibc", lambda: mine)
    assert set_aside_glibc(tmp_path) == []
    assert (shipped / "libc.so.6").exists()


def test_a_stand_in_never_hides_a_real_package(tmp_path: Path) -> None:
    stub = tmp_path / "heavy.py"
    stub.write_text("")
    site = tmp_path / "site-packages"
    site.mkdir()
    add_stubs({"heavy.py": stub}, site)
    with pytest.raises(ToolchainError, match=r"installs 'heavy\.py', which has a stand-in"):
        add_stubs({"heavy.py": stub}, site)


def test_releases_are_read_from_the_library(shipped: Path) -> None:
    assert glibc_release(shipped / "libc.so.6") == (2, 35)
    assert glibc_release(shipped / "libm.so.6") is None
    assert glibc_release(shipped / "none") is None
    mine = system_glibc()
    assert mine is None or mine >= (2, 17)
