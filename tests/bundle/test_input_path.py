"""How frames go in is told by the bundle; bundles that do not say it are read as before."""

from __future__ import annotations

import json

import pytest

from edgewright.bundle.open import open_bundle
from edgewright.bundle.pack import pack_bundle
from edgewright.errors import BundleError
from tests.bundle.bundle_fakes import fake_contents, rewrite_manifest
from tests.bundle.restored import restored_contents

TOLD = {
    "route": "affine",
    "formula": "raw * 2",
    "proof": "256 of 256 codes of each of 3 channels equal",
    "engine": "an engine",
    "copies": 1,
    "microseconds": 60.5,
    "copy_microseconds": 30.0,
}


def test_it_comes_back(tmp_path):
    with open_bundle(pack_bundle(tmp_path / "b", fake_contents(tmp_path / "w", input_path=TOLD))) as bundle:
        assert bundle.manifest.schema_version == 3
        assert bundle.manifest.input_path.model_dump() == TOLD


def test_beside_a_restoration(tmp_path):
    with open_bundle(pack_bundle(tmp_path / "b", restored_contents(tmp_path, input_path=TOLD))) as bundle:
        assert bundle.manifest.schema_version == 3
        assert bundle.restore() is not None


def test_a_bundle_that_does_not_say_it_is_as_it_was_before(packed):
    assert "input_path" not in json.loads((packed / "manifest.json").read_text(encoding="utf-8"))
    with open_bundle(packed) as bundle:
        assert bundle.manifest.schema_version == 1
        assert bundle.manifest.input_path is None


@pytest.mark.parametrize(
    "change", [{"route": "magic"}, {"copies": 2}, {"microseconds": -1.0}, {"microseconds": "fast"}, {"more": 1}]
)
def test_what_no_input_path_says(tmp_path, change):
    folder = pack_bundle(tmp_path / "b", fake_contents(tmp_path / "w", input_path=TOLD))
    rewrite_manifest(folder, lambda data: data["input_path"].update(change))
    with pytest.raises(BundleError, match="cannot be trusted"):
        open_bundle(folder)
