"""Two processes that compile one function at once do not load each other's code."""

from __future__ import annotations

import threading
from pathlib import Path
from types import SimpleNamespace

import pytest

fcntl = pytest.importorskip("fcntl")
pytest.importorskip("numba")

from edgewright.kernels.compiled.cache_lock import lock_cache  # noqa: E402
from edgewright.kernels.compiled.scan import __dict__ as kernels  # noqa: E402


@pytest.mark.parametrize("what", ["save", "load"])
def test_the_cache_waits_for_another_process(tmp_path: Path, what: str) -> None:
    done = threading.Event()
    file = SimpleNamespace(_index_path=str(tmp_path / "f.nbi"), save=lambda: done.set(), load=lambda: done.set())
    lock_cache(SimpleNamespace(_cache=SimpleNamespace(_cache_file=file)))
    with (tmp_path / "f.nbi.lock").open("a+b") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        thread = threading.Thread(target=getattr(file, what))
        thread.start()
        assert not done.wait(0.2)
    assert done.wait(10)
    thread.join()


def test_kernels_are_locked() -> None:
    found = [value for value in kernels.values() if hasattr(value, "py_func")]
    assert found
    for kernel in found:
        assert kernel._cache._cache_file.save.__name__ == "locked"


def test_a_folder_that_cannot_be_written_needs_no_lock() -> None:
    file = SimpleNamespace(_index_path="/no/such/folder/f.nbi", save=lambda value: value, load=lambda value: value)
    lock_cache(SimpleNamespace(_cache=SimpleNamespace(_cache_file=file)))
    assert file.load(3) == 3
