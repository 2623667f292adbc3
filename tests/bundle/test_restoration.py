"""A restoration goes into the bundle, comes out of it, and is refused when it is not what was packed."""

from __future__ import annotations

import json
import re

import pytest

from edgewright.bundle.manifest import RESTORE
from edgewright.bundle.open import open_bundle
from edgewright.bundle.pack import pack_bundle, zip_bundle
from edgewright.errors import BundleError
from edgewright.graph.io import save_model
from tests.bundle.bundle_fakes import entries_of, fake_contents, rehash, rewrite_manifest, zip_of
from tests.bundle.restored import restoration, restored_bundle, restored_contents


@pytest.mark.parametrize("zipped", [False, True])
def test_it_comes_back(tmp_path, zipped):
    path = restored_bundle(tmp_path)
    path = zip_bundle(path, tmp_path / "b.zip") if zipped else path
    with open_bundle(path) as bundle:
        assert bundle.manifest.schema_version == 2
        assert RESTORE in bundle.manifest.files
        assert [spec.name for spec in bundle.manifest.to_outputs()] == ["z", "count"]
        assert bundle.restore().digest == restoration().digest


def test_a_bundle_without_one_is_as_it_was_before(packed):
    data = json.loads((packed / "manifest.json").read_text(encoding="utf-8"))
    assert data["schema_version"] == 1  # older versions of Edgewright read it
    assert "restore" not in data
    assert RESTORE not in (packed / "README.txt").read_text(encoding="utf-8")
    with open_bundle(packed) as bundle:
        assert bundle.restore() is None
        assert [spec.name for spec in bundle.manifest.to_outputs()] == ["y", "count"]


def test_the_readme_says_what_it_is(tmp_path):
    text = (restored_bundle(tmp_path) / "README.txt").read_text(encoding="utf-8")
    assert "restore.onnx          a float graph that runs on the host behind the chip" in text
    assert not [line for line in text.splitlines() if len(line) > 120]


@pytest.mark.parametrize("zipped", [False, True])
def test_an_altered_one_is_refused(tmp_path, zipped):
    path = restored_bundle(tmp_path)
    data = bytearray((path / RESTORE).read_bytes())
    data[len(data) // 2] ^= 1
    (path / RESTORE).write_bytes(data)
    path = zip_of(tmp_path / "b.zip", entries_of(path)) if zipped else path
    with pytest.raises(BundleError) as caught:
        open_bundle(path)
    assert "'restore.onnx' is not what was packed" in caught.value.why


def test_a_missing_one_is_refused(tmp_path):
    path = restored_bundle(tmp_path)
    (path / RESTORE).unlink()
    with pytest.raises(BundleError) as caught:
        open_bundle(path)
    assert "'restore.onnx' is missing" in caught.value.why


def test_one_that_no_manifest_names_is_refused(bundle):
    save_model(restoration(), bundle / RESTORE)
    with pytest.raises(BundleError) as caught:
        open_bundle(bundle)
    assert "does not list" in caught.value.why


def test_one_that_is_named_but_not_listed_is_refused(bundle):
    rewrite_manifest(bundle, lambda data: data.update(restore={"file": "x.onnx", "outputs": data_of("z")}))
    with pytest.raises(BundleError) as caught:
        open_bundle(bundle)
    assert "'x.onnx' is used, but not listed" in caught.value.why


def data_of(name):
    return [{"name": name, "dtype": "float32", "shape": [1, 4]}]


@pytest.mark.parametrize(
    ("other", "reason"),
    [
        (b"no model", "not an ONNX model"),
        (restoration(signature="float[1,4] y, int64[1] count, float[1] w").data, "wants 'w'"),
        (restoration("z = Mul (y, factors)").data.replace(b"z", b"q"), "other outputs"),
    ],
)
def test_hashes_that_were_mended_do_not_help(tmp_path, other, reason):
    path = restored_bundle(tmp_path)
    (path / RESTORE).write_bytes(other)
    rehash(path)
    with open_bundle(path) as bundle, pytest.raises(BundleError) as caught:
        bundle.restore()
    assert reason in caught.value.why


def test_a_head_that_is_told_of_other_outputs_is_not_packed(tmp_path):
    with pytest.raises(BundleError) as caught:
        pack_bundle(tmp_path / "b", restored_contents(tmp_path / "w", head=fake_contents(tmp_path / "v").head))
    assert "the restoration has no output 'y'" in caught.value.why


@pytest.mark.parametrize(
    ("signature", "reason"),
    [
        ("float[1,4] y, int64[1] count, float[1] w", r"wants 'w' \(1,\)"),
        ("float[1,5] y, int64[1] count", r"wants 'y' \(1, 5\)"),
    ],
)
def test_one_that_does_not_belong_to_the_artifact_is_not_packed(tmp_path, signature, reason):
    with pytest.raises(BundleError) as caught:
        restored_bundle(tmp_path, restore=restoration(signature=signature))
    assert re.search(reason, caught.value.why)
    assert not (tmp_path / "bundle").exists()
