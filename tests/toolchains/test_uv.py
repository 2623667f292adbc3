from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from edgewright.errors import EdgewrightError, OutputError, ToolchainError
from edgewright.toolchains.uv import run_uv, uv_binary
from tests.toolchains.test_interpreters import script


def test_uv_is_there_and_answers(tmp_path: Path) -> None:
    assert Path(uv_binary()).is_file()
    assert run_uv(["--version"], tmp_path, lambda _: None).startswith("uv ")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("said", "kind", "what", "todo"),
    [
        (
            "Failed to copy x: No space left on device (os error 28)",
            OutputError,
            "the disk is full",
            "EDGEWRIGHT_CACHE",
        ),
        (
            "error sending request: dns error: failed to lookup",
            ToolchainError,
            r"`uv pip install` failed",
            "HTTPS_PROXY",
        ),
        ("x No solution found when resolving dependencies", ToolchainError, r"failed \(status 2\)", "package index"),
        ("something else", ToolchainError, "failed", "see what uv says"),
    ],
)
def test_failures_say_what_to_do(
    said: str, kind: type[EdgewrightError], what: str, todo: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    uv = script(tmp_path / "uv", f"echo '{said}' >&2; exit 2")
    monkeypatch.setattr("edgewright.toolchains.uv.uv_binary", lambda: str(uv))
    lines: list[str] = []
    with pytest.raises(kind, match=what) as caught:
        run_uv(["pip", "install", "numpy"], tmp_path, lines.append)
    assert todo in caught.value.todo
    assert lines == [said]


def test_an_interrupted_uv_is_killed_with_its_children(tmp_path: Path) -> None:
    uv = script(tmp_path / "uv", f"sleep 60 & echo $! > {tmp_path}/child; echo started >&2; wait")
    code = (
        "import sys; from pathlib import Path; import edgewright.toolchains.uv as u;"
        f"u.uv_binary = lambda: {str(uv)!r};"
        f"u.run_uv(['x'], Path({str(tmp_path)!r}), lambda line: print(line, flush=True))"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"started\n"
        process.send_signal(signal.SIGINT)
        assert process.wait(10) != 0
    child = int((tmp_path / "child").read_text())
    assert gone(child)
    assert not (tmp_path / ".uv-output").exists()


def gone(process: int, seconds: float = 5.0) -> bool:
    """Whether a process ends within some time; one that only waits to be reaped has ended."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            os.kill(process, 0)
            if Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return True
        except (ProcessLookupError, FileNotFoundError):
            return True
        time.sleep(0.02)
    return False
