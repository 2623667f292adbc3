from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import namedtuple
from pathlib import Path

import pytest

from edgewright.errors import OutputError, ToolchainError, UserError
from edgewright.toolchains import environments
from edgewright.toolchains.environments import ToolchainMissing, ensure, environment, installed, remove
from edgewright.toolchains.install import install
from edgewright.toolchains.locks import alone, together
from edgewright.toolchains.places import cache_root, lock_file
from tests.toolchains.conftest import left, spec_of
from tests.toolchains.test_interpreters import script


@pytest.fixture
def stubbed(tmp_path: Path) -> Path:
    """A vendor's folder with a stand-in for a heavy package."""
    stub = tmp_path / "acme" / "stubs" / "common" / "heavy"
    (stub / "inner").mkdir(parents=True)
    (stub / "__init__.py").write_text("answer = 42\n")
    (stub / "inner" / "__init__.py").write_text("")
    return tmp_path / "acme"


def test_install_makes_an_environment_with_its_stand_ins(cache: Path, stubbed: Path) -> None:
    probe = "import heavy.inner, sys; assert heavy.answer == 42; assert sys.prefix != sys.base_prefix"
    spec = spec_of(stubbed, probe, 'stubs = ["heavy"]')
    said: list[str] = []
    made = install(spec, tell=said.append)
    assert made.folder == cache / "2.0"
    assert environment(spec) == made
    assert [entry.version for entry in installed(spec)] == ["2.0"]
    assert said[-1] == "trying it out"
    assert subprocess.run([made.python, "-c", probe], check=False).returncode == 0
    assert (made.site_packages / "heavy").is_dir()
    assert left(cache) == ["2.0"]

    born = made.folder.stat().st_ino
    assert install(spec) == made, "a second time is no work"
    assert made.folder.stat().st_ino == born

    (stubbed / "stubs" / "common" / "heavy" / "__init__.py").write_text("answer = 42  # better\n")
    with pytest.raises(ToolchainMissing, match="is not up to date") as caught:
        environment(spec)
    assert "`edgewright toolchain install acme`" in caught.value.todo
    again = install(spec)
    assert again.digest != made.digest
    assert "better" in (again.site_packages / "heavy" / "__init__.py").read_text()
    assert left(cache) == ["2.0"]


def test_what_is_missing_says_how_to_get_it(cache: Path) -> None:
    with pytest.raises(ToolchainMissing, match=r"Acme Compiler 2\.0 is not installed") as caught:
        environment(spec_of())
    assert caught.value.todo == "`edgewright toolchain install acme`"
    with pytest.raises(ToolchainMissing) as caught:
        environment(spec_of(), "1.0")
    assert caught.value.todo == "`edgewright toolchain install acme==1.0`"
    assert not cache.exists()


def test_ensure_installs_only_what_someone_agreed_to(cache: Path) -> None:
    spec, asked = spec_of(), []

    def no(question: str) -> bool:
        asked.append(question)
        return False

    for refused in (lambda: ensure(spec), lambda: ensure(spec, ask=no)):
        with pytest.raises(ToolchainMissing):
            refused()
    assert asked == ["Acme Compiler 2.0 is not installed. Install it now (1 MB)?"]
    assert not cache.exists()
    made = ensure(spec, yes=True, ask=no)
    assert ensure(spec, ask=no) == made
    assert len(asked) == 1


def test_one_that_does_not_work_is_not_left_behind(cache: Path) -> None:
    with pytest.raises(ToolchainError, match="installed but does not work") as caught:
        install(spec_of(probe="import nothing_of_this_name"))
    assert "No module named 'nothing_of_this_name'" in caught.value.why
    assert left(cache) == []


def test_a_failed_renewal_leaves_the_old_one(cache: Path) -> None:
    made = install(spec_of())
    with pytest.raises(ToolchainError):
        install(spec_of(probe="1/0"))
    assert environment(spec_of()) == made


def test_too_little_disk_is_told_before_anything_is_made(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(10**9, 9 * 10**8, 10**8))
    with pytest.raises(OutputError, match="needs 101 MB of disk, 100 MB are free"):
        install(spec_of())
    assert left(cache) == []


def test_a_disk_that_fills_up_leaves_nothing(cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = environments_uv()
    uv = script(
        tmp_path / "uv",
        f'[ "$1" = pip ] && {{ echo "No space left on device (os error 28)" >&2; exit 2; }}\nexec {real} "$@"',
    )
    monkeypatch.setattr("edgewright.toolchains.uv.uv_binary", lambda: str(uv))
    with pytest.raises(OutputError, match="the disk is full"):
        install(spec_of(more='requirements = ["anything==1"]'))
    assert left(cache) == []


def environments_uv() -> str:
    from edgewright.toolchains.uv import uv_binary

    return uv_binary()


def test_a_python_that_does_not_fit_is_refused(cache: Path, tmp_path: Path) -> None:
    other = script(tmp_path / "python", """echo '["3.1.0", "CPython", 64]'""")
    with pytest.raises(UserError, match=r"this is 3\.1\.0"):
        install(spec_of(), python=other)
    assert left(cache) == []


def test_one_whose_python_is_gone_is_damaged(cache: Path) -> None:
    made = install(spec_of())
    made.python.unlink()
    with pytest.raises(ToolchainMissing, match="is damaged"):
        environment(spec_of())
    assert install(spec_of()).python.exists()


SLOW = "import pathlib, time; pathlib.Path({mark!r}).touch(); time.sleep({seconds})"


def installing(folder: Path, mark: Path) -> subprocess.Popen[bytes]:
    """Another process that installs and hangs in its probe; returns when it does."""
    code = (
        "from tests.toolchains.conftest import spec_of; from edgewright.toolchains.install import install;"
        f"install(spec_of(probe={SLOW.format(mark=str(mark), seconds=60)!r}))"
    )
    root = Path(__file__).resolve().parents[2]
    path = os.pathsep.join([str(root), str(root / "src")])
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        env={**os.environ, "EDGEWRIGHT_CACHE": str(folder), "PYTHONPATH": path},
        stderr=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 30
    while not mark.exists():
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return process


def test_an_interrupted_installation_leaves_nothing_and_a_killed_one_is_swept(cache: Path, tmp_path: Path) -> None:
    first = installing(cache_root(), tmp_path / "first")
    with pytest.raises(OutputError, match="another process installs or uses"):
        install(spec_of(), wait_seconds=0.0)
    first.send_signal(signal.SIGINT)
    first.wait(10)
    assert left(cache) == []

    second = installing(cache_root(), tmp_path / "second")
    second.kill()
    second.wait(10)
    assert len(left(cache)) == 1
    with pytest.raises(ToolchainMissing):
        environment(spec_of())
    install(spec_of())
    assert left(cache) == ["2.0"]


def test_of_two_at_once_the_second_waits_and_takes_what_the_first_made(cache: Path, tmp_path: Path) -> None:
    count = tmp_path / "count"
    spec = spec_of(probe=f"import time; open({str(count)!r}, 'a').write('x'); time.sleep(0.5)")
    said: list[str] = []
    found = []
    threads = [threading.Thread(target=lambda: found.append(install(spec, tell=said.append))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found[0] == found[1]
    assert count.read_text() == "x"
    assert sum("waiting for it" in line for line in said) == 1


def test_remove_takes_it_away_unless_it_is_in_use(cache: Path) -> None:
    spec = spec_of()
    install(spec)
    with together(lock_file("acme", "2.0")), pytest.raises(OutputError, match="in use by another process"):
        remove(spec)
    assert left(cache) == ["2.0"]
    remove(spec)
    assert left(cache) == []
    with pytest.raises(ToolchainMissing, match="is not installed"):
        remove(spec)


def test_half_an_environment_counts_as_none_and_can_be_removed(cache: Path) -> None:
    made = install(spec_of())
    (made.folder / environments.MARKER).write_text("{}")
    with pytest.raises(ToolchainMissing):
        environment(spec_of())
    remove(spec_of())
    assert left(cache) == []


def test_who_is_alone_keeps_users_out(tmp_path: Path) -> None:
    from edgewright.toolchains.locks import Busy

    lock = tmp_path / "lock"
    with together(lock):
        assert not lock.exists(), "using makes no files"
    with alone(lock, seconds=0), pytest.raises(Busy), together(lock):
        pass
    with together(lock), together(lock):
        pass
