from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from edgewright.errors import TargetMismatch
from edgewright.toolchains import vendors as vendors_module
from tests.cli.conftest import Cli
from tests.diagnose.controls.test_controls import Spoiled
from tests.diagnose.controls.test_own import Own
from tests.toolchains.conftest import MINOR

SPEC = f"""
vendor = "acme"
title = "Acme Compiler"
default = "2.0"
[versions."2.0"]
python = ["{MINOR}"]
disk_mb = 1
probe = "import json"
[versions."1.0"]
python = ["{MINOR}"]
disk_mb = 1
probe = "1/0"
"""
CACHED = (vendors_module.vendors, vendors_module.vendor_spec, vendors_module.vendor_rules, vendors_module.vendor_issues)


@pytest.fixture(autouse=True)
def acme(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A machine whose only vendor is ours; returns where its environments lie."""
    folder = tmp_path / "targets" / "acme"
    folder.mkdir(parents=True)
    (folder / "toolchain.toml").write_text(SPEC)
    monkeypatch.setenv("EDGEWRIGHT_CACHE", str(tmp_path / "cache"))
    with monkeypatch.context() as patch:
        patch.setattr(vendors_module, "_root", lambda: tmp_path / "targets")
        for function in CACHED:
            function.cache_clear()
        yield tmp_path / "cache" / "toolchains" / "acme"
    for function in CACHED:
        function.cache_clear()


def test_from_list_to_install_to_remove(cli: Cli, acme: Path) -> None:
    rows = cli("toolchain", "list", "--json").data
    assert [(row["vendor"], row["version"], row["state"], row["default"]) for row in rows] == [
        ("acme", "2.0", "not installed", True),
        ("acme", "1.0", "not installed", False),
    ]
    answer = cli("toolchain", "install", "acme")
    assert answer.status == 0
    assert answer.out.startswith("INSTALLED  acme==2.0  in ")
    assert "trying it out" in answer.err
    assert (acme / "2.0" / "bin" / "python").exists()
    table = cli("toolchain", "list").out.splitlines()
    assert table[1].split()[:3] == ["acme==2.0", "installed", table[1].split()[2]]
    assert "not installed" in table[2]
    made = cli("toolchain", "install", "acme==2.0", "--json").data
    assert (made["vendor"], made["version"]) == ("acme", "2.0")
    assert cli("toolchain", "remove", "acme").out.startswith("REMOVED  acme==2.0")
    assert not (acme / "2.0").exists()


def test_the_doctor_looks_at_the_machine(cli: Cli) -> None:
    answer = cli("toolchain", "doctor")
    assert answer.status == 0
    assert "IN ORDER  toolchains" in answer.out.splitlines()[-1]
    cli("toolchain", "install", "acme")
    found = cli("toolchain", "doctor", "--json").data["toolchains"]
    assert [entry["state"] for entry in found] == ["works", "not installed"]


def test_the_doctor_looks_at_a_target(cli: Cli, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    words = ("toolchain", "doctor", "onnxruntime/cpu", "--control", "plain-conv")
    answer = cli(*words)
    assert answer.status == 0, answer
    lines = answer.out.splitlines()
    assert [line.split()[:3] for line in lines[2:4]] == [
        ["plain-conv", "float", "ok"],
        ["plain-conv", "int8", "ok"],
    ]
    assert lines[-1].startswith("IN ORDER  onnxruntime/cpu")
    backend = Spoiled(lambda outputs: {"logits": outputs["logits"] * 0 + 1})
    monkeypatch.setattr("edgewright.workflow.doctor.get_backend", lambda target: backend)
    answer = cli(*words, "--out", tmp_path / "kept")
    assert answer.status == 1
    assert "wrong" in answer.out.splitlines()[2]
    assert f"is kept in {tmp_path / 'kept'}" in answer.out
    assert answer.out.splitlines()[-1].startswith("NOT IN ORDER  onnxruntime/cpu")
    told = cli(*words, "--json")
    assert told.status == 1
    assert told.data["in_order"] is False


def test_what_the_doctor_could_not_run_is_not_in_order(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    backend = Own(TargetMismatch("not here", why="no GPU"))
    monkeypatch.setattr("edgewright.workflow.doctor.get_backend", lambda target: backend)
    answer = cli("toolchain", "doctor", "onnxruntime/cpu")
    assert answer.status == 0
    assert answer.out.splitlines()[-1].startswith("NOT RUN  onnxruntime/cpu")


@pytest.mark.parametrize(
    ("words", "status", "what"),
    [
        (("install", "nobody"), 2, "no toolchain 'nobody' to install"),
        (("install", "acme==9"), 2, "Acme Compiler 9 is not a version"),
        (("install", "acme=="), 2, "names no version"),
        (("install", "acme", "--python", "/nowhere/python"), 2, "this Python does not run"),
        (("install", "acme==1.0"), 3, "acme 1.0 is installed but does not work"),
        (("remove", "acme"), 3, "Acme Compiler 2.0 is not installed"),
        (("doctor", "nobody/chip"), 2, "unknown target 'nobody/chip'"),
        (("doctor", "onnxruntime/cpu", "--control", "nothing"), 2, "unknown control model 'nothing'"),
    ],
)
def test_what_cannot_be_done_is_told_as_text_and_as_json(
    words: tuple[str, ...], status: int, what: str, cli: Cli
) -> None:
    answer = cli("toolchain", *words)
    assert answer.status == status
    assert what in answer.err
    assert answer.out == ""
    told = cli("toolchain", *words, "--json")
    assert told.status == status
    assert what in json.dumps(told.data)
