"""Bundles that somebody spoiled, seen through every verb that takes one. `tests/bundle` has the whole collection."""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Cli


@pytest.fixture(params=["run", "inspect", "compare"])
def use(request: pytest.FixtureRequest, cli: Cli) -> Callable[[Path | str], dict[str, str]]:
    """The error of a verb on a bundle."""
    after: dict[str, list[Any]] = {
        "run": ["val"],
        "inspect": [],
        "compare": ["m.onnx", "--images", "val"],
    }
    return lambda path: cli.refused(request.param, path, *after[request.param])


def change_manifest(bundle: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """A manifest that somebody rewrote, digest and all."""
    manifest = json.loads((bundle / "manifest.json").read_text(encoding="utf-8"))
    change(manifest)
    data = json.dumps(manifest).encode()
    (bundle / "manifest.json").write_bytes(data)
    (bundle / "manifest.json.sha256").write_text(f"{hashlib.sha256(data).hexdigest()}  manifest.json\n")


def test_a_changed_byte(use: Callable[[Path], dict[str, str]], bundle: Path) -> None:
    file = bundle / "artifact" / "model.onnx"
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)
    error = use(bundle)
    assert error["what"] == "this bundle is damaged or was altered"
    assert "artifact/model.onnx" in error["why"]
    assert error["where"] == str(bundle)


def test_a_path_that_climbs_out(use: Callable[[str], dict[str, str]], cli: Cli) -> None:
    with zipfile.ZipFile("climb.zip", "w") as file:
        file.writestr("../../evil.txt", "x")
    assert "it holds an unsafe path: '../../evil.txt'" in use("climb.zip")["why"]
    assert not (cli.folder.parent / "evil.txt").exists()


def test_a_manifest_that_climbs_out(use: Callable[[Path], dict[str, str]], bundle: Path) -> None:
    change_manifest(bundle, lambda manifest: manifest["files"].update({"../m.onnx": manifest["files"]["plan.json"]}))
    assert use(bundle)["do"]


def test_a_zip_bomb(use: Callable[[str], dict[str, str]]) -> None:
    with zipfile.ZipFile("bomb.zip", "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("manifest.json", b"0" * (64 << 20))
    assert "a zip bomb" in use("bomb.zip")["why"]


def test_no_zip(use: Callable[[str], dict[str, str]], cli: Cli) -> None:
    assert use(cli.save("text.zip", "not a zip"))["why"] == "it is not a zip file"


@pytest.mark.parametrize("verb", ["run", "compare"])
def test_a_bundle_for_another_target(cli: Cli, bundle: Path, verb: str) -> None:
    def change(manifest: dict[str, Any]) -> None:
        manifest["target"] = manifest["artifact"]["target"] = "onnxruntime/tpu"

    change_manifest(bundle, change)
    error = cli.refused(verb, bundle, "val") if verb == "run" else cli.refused(
        verb, bundle, "m.onnx", "--images", "val"
    )  # fmt: skip
    assert "onnxruntime/tpu" in "\n".join(error.values())


def test_an_unreadable_image_among_many(cli: Cli, bundle: Path) -> None:
    """Files that are no images by name are none of `run`'s business; one that claims to be and is not is an error."""
    cli.save("val/notes.txt", "x")
    assert cli("run", bundle, "val", "--json").data["images"][-1]["image"] == "0-005.png"
    cli.save("val/0-002b.jpg", "I am text")
    answer = cli("run", bundle, "val")
    assert answer.status == 2
    assert answer.out.count("found") == 3, "what was found before stands"
    assert answer.err.startswith("edgewright: the image 0-002b.jpg cannot be read\n")
    assert "PASSED" not in answer.out
    machine = cli("run", bundle, "val", "--json")
    assert machine.data["error"]["where"] == "val/0-002b.jpg"
