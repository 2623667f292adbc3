"""What a person gives for a bundle by mistake, and is told what to give."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgewright.bundle.open import open_bundle
from edgewright.errors import BundleError


def test_a_model(tmp_path: Path) -> None:
    model = tmp_path / "model.onnx"
    model.write_bytes(b"\x08\x08")
    with pytest.raises(BundleError, match="is a model, not a bundle") as told:
        open_bundle(model)
    assert told.value.todo == f"deploy it first: edgewright deploy {model} --images DIR"


def test_a_run_directory(tmp_path: Path) -> None:
    (tmp_path / "bundle").mkdir()
    (tmp_path / "bundle" / "manifest.json").write_text("{}", encoding="utf-8")
    with pytest.raises(BundleError, match="this is not a bundle") as told:
        open_bundle(tmp_path)
    assert told.value.todo == f"pass {tmp_path / 'bundle'}"


def test_any_other_folder(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="this is not a bundle") as told:
        open_bundle(tmp_path)
    assert told.value.todo.startswith("fetch the bundle again")
