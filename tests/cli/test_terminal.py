"""What a terminal that is narrow, plain or broken gets to see."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.cli.conftest import Cli

DEPLOY = ("deploy", "m.onnx", "--images", "val", "--calibration", "cal", "--out", "r")


@pytest.mark.parametrize(("columns", "widest"), [("abc", 110), ("0", 110), ("20", 80), ("80", 80), ("200", 200)])
def test_columns(cli: Cli, monkeypatch: pytest.MonkeyPatch, columns: str, widest: int) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    answer = cli(*DEPLOY)
    assert answer.status == 0
    *table, closing = answer.out.rstrip().splitlines()
    assert max(map(len, table)) <= widest
    assert answer.out.startswith("variant ")
    assert closing.startswith("PASSED  onnxruntime/cpu  in ")
    assert "bundle: r/bundle" in closing, "the last line is not wrapped: scripts cut paths out of it"


def test_no_memory(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    def exhausted(*words: object, **options: object) -> None:
        raise MemoryError

    monkeypatch.setattr("edgewright.workflow.inspect.inspect_path", exhausted)
    assert cli.refused("inspect", "m.onnx", status=3)["what"] == "there is not enough memory"


def child(*words: str, **environment: str) -> subprocess.CompletedProcess[bytes]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("LC_", "LANG", "PYTHON"))}
    paths = os.pathsep.join(path for path in sys.path if path)
    return subprocess.run(
        [sys.executable, "-c", "from edgewright.cli.main import run_app; run_app()", *words],
        capture_output=True,
        env={**kept, "PYTHONPATH": paths, **environment},
        timeout=60,
    )


def test_c_locale_and_no_colour(cli: Cli) -> None:
    """A name that ASCII cannot write, a stream that takes nothing else, and no escape code in a pipe."""
    name = cli.save("modèle.onnx", (cli.folder / "m.onnx").read_bytes())
    plain = {"LC_ALL": "C", "PYTHONIOENCODING": "ascii", "NO_COLOR": "1"}
    done = child("deploy", name, *DEPLOY[2:], **plain)
    assert done.returncode == 0, done.stderr
    assert (done.stdout + done.stderr).isascii()
    assert b"\x1b" not in done.stdout + done.stderr
    assert b"PASSED" in done.stdout
    refused = child("deploy", "manqué.onnx", *DEPLOY[2:], **plain)
    assert refused.returncode == 2
    assert refused.stderr.startswith(b"edgewright: there is no file manqu\\xe9.onnx\n")


def test_a_locale_in_which_the_name_is_no_text(cli: Cli) -> None:
    name = cli.save("modèle.onnx", (cli.folder / "m.onnx").read_bytes())
    done = child("deploy", name, *DEPLOY[2:], LC_ALL="C", PYTHONCOERCECLOCALE="0", PYTHONUTF8="0")
    assert done.returncode == 2
    assert b"is not UTF-8\n" in done.stderr
    assert b"Traceback" not in done.stderr
    assert not (cli.folder / "r").exists()


@pytest.mark.skipif(sys.platform != "linux", reason="other systems allow no such name")
def test_an_image_whose_name_is_no_text(cli: Cli) -> None:
    data = (cli.folder / "val" / "0-000.png").read_bytes()
    (cli.folder / os.fsdecode(b"val/\xe9.png")).write_bytes(data)
    error = cli.refused(*DEPLOY)
    assert error["what"] == "the file name '\\udce9.png' is not UTF-8"


def test_a_reader_that_goes_away(cli: Cli) -> None:
    """`edgewright ... | head -1` ends without a complaint."""
    command = f"{sys.executable} -c 'from edgewright.cli.main import run_app; run_app()' explain all | head -c 10"
    paths = os.pathsep.join(path for path in sys.path if path)
    done = subprocess.run(command, shell=True, capture_output=True, env={**os.environ, "PYTHONPATH": paths}, timeout=60)
    assert done.returncode == 0
    assert done.stderr == b""
