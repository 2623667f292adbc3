from __future__ import annotations

import dataclasses
import gc
import hashlib
import subprocess
import zipfile

import numpy as np
import pytest

from edgewright.bundle.golden import Golden, arrays_to_bytes
from edgewright.bundle.open import open_bundle
from edgewright.bundle.pack import pack_bundle, zip_bundle
from edgewright.errors import BundleError, OutputError
from tests.bundle.bundle_fakes import CREATED, TARGET, entries_of, fake_contents


def tree(folder):
    return {name: hashlib.sha256(data).hexdigest() for name, data in entries_of(folder)}


def test_everything_comes_back(packed):
    with open_bundle(packed) as bundle:
        manifest = bundle.manifest
        assert (manifest.target, manifest.variant, manifest.created, manifest.schema_version) == (
            TARGET,
            "float",
            CREATED,
            1,
        )
        assert manifest.names == ("cat", "Hündin")
        assert manifest.model.name == "tiny"
        assert manifest.model.opset == 17
        contents_head = manifest.to_head()
        assert [part.name for part in contents_head.parts] == ["first", "second"]
        assert contents_head.parts[1].stop == 4
        assert manifest.to_settings().confidence == 0.25
        assert manifest.to_settings().iou == 0.5
        assert manifest.to_variants()[0].metric.details == {"AP50": 60.0}
        assert manifest.to_variants()[0].parts[0].channels == (0.0, None)
        assert manifest.findings[0]["code"] == "EW503"
        assert bundle.artifact.path.read_bytes() == (packed / "artifact" / "model.bin").read_bytes()
        (golden,) = bundle.golden()
        assert golden.inputs["image"].shape == (1, 3, 8, 8)
        assert golden.outputs["count"].dtype == np.int64
        assert golden.image.startswith(b"\x89PNG")
        assert packed.exists()
    assert packed.exists()  # closing removes only what opening made


def test_golden_values_survive_exactly(packed, tmp_path):
    contents = fake_contents(tmp_path)
    with open_bundle(packed) as bundle:
        (kept,) = bundle.golden()
    for name, values in contents.golden[0].outputs.items():
        np.testing.assert_array_equal(kept.outputs[name], values)
    arrays = np.load(packed / "golden" / "000-inputs.npz")  # numpy reads it too
    np.testing.assert_array_equal(arrays["image"], contents.golden[0].inputs["image"])


def test_the_same_contents_give_the_same_bytes(tmp_path):
    first = pack_bundle(tmp_path / "a", fake_contents(tmp_path / "1"))
    second = pack_bundle(tmp_path / "b", fake_contents(tmp_path / "2"))
    assert tree(first) == tree(second)
    one, two = zip_bundle(first, tmp_path / "a.zip"), zip_bundle(second, tmp_path / "b.zip")
    assert one.read_bytes() == two.read_bytes()
    names = zipfile.ZipFile(one).namelist()
    assert names[:2] == ["manifest.json", "manifest.json.sha256"]
    assert names[2:] == sorted(names[2:])


def test_the_order_of_tensors_does_not_matter():
    one, two = np.zeros(3, np.float32), np.ones(2, np.int8)
    assert arrays_to_bytes({"a": one, "b": two}) == arrays_to_bytes({"b": two, "a": one})


def test_readme_tells_a_stranger_what_to_do(packed):
    text = (packed / "README.txt").read_text(encoding="utf-8")
    assert "edgewright run BUNDLE image.jpg" in text
    assert TARGET in text
    assert "tiny" in text
    assert "AP 44.3" in text
    assert not [line for line in text.splitlines() if len(line) > 120]


def test_standard_tools_check_the_manifest(packed):
    result = subprocess.run(["sha256sum", "-c", "manifest.json.sha256"], cwd=packed, capture_output=True, check=False)
    assert result.returncode == 0


def test_a_zip_opens_like_a_folder_and_leaves_nothing(packed, tmp_path, temp):
    file = zip_bundle(packed, tmp_path / "b.zip")
    with open_bundle(file) as bundle:
        assert bundle.folder.is_relative_to(temp)
        assert tree(bundle.folder) == tree(packed)
        assert bundle.golden()[0].inputs["image"].dtype == np.float32
    assert not any(temp.iterdir())


def test_a_forgotten_bundle_is_cleaned_up(packed, tmp_path, temp):
    bundle = open_bundle(zip_bundle(packed, tmp_path / "b.zip"))
    assert any(temp.iterdir())
    del bundle
    gc.collect()
    assert not any(temp.iterdir())


def test_an_older_bundle_is_replaced(tmp_path):
    place = tmp_path / "bundle"
    pack_bundle(place, fake_contents(tmp_path / "1"))
    pack_bundle(place, fake_contents(tmp_path / "2", variant="int8", plan=None))
    with open_bundle(place) as bundle:
        assert bundle.manifest.variant == "int8"
    assert not (place / "plan.json").exists()
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["1", "2", "bundle"]


@pytest.mark.parametrize("content", ["photo.jpg", "manifest.json"])
def test_a_folder_that_is_no_bundle_is_left_alone(tmp_path, content):
    place = tmp_path / "images"
    place.mkdir()
    (place / content).write_text("precious")
    with pytest.raises(OutputError, match="not a bundle and is not replaced"):
        pack_bundle(place, fake_contents(tmp_path / "1"))
    assert (place / content).read_text() == "precious"


def test_a_bundle_with_a_strangers_file_is_left_alone(tmp_path, bundle):
    (bundle / "notes.txt").write_text("precious")
    with pytest.raises(OutputError, match=r"notes\.txt"):
        pack_bundle(bundle, fake_contents(tmp_path / "1"))
    assert (bundle / "notes.txt").read_text() == "precious"


def test_a_link_in_the_place_is_not_followed(tmp_path, bundle):
    link = tmp_path / "link"
    link.symlink_to(bundle)
    with pytest.raises(OutputError, match="something else has its name"):
        pack_bundle(link, fake_contents(tmp_path / "1"))


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"variant": ""}, "variant"),
        ({"golden": []}, "golden"),
        ({"host": {"cpu": 3}}, "host"),
        ({"created": "yesterday"}, "created"),
    ],
)
def test_contents_that_would_not_open_are_not_packed(tmp_path, bundle, changes, reason):
    before = tree(bundle)
    with pytest.raises(BundleError, match=reason):
        pack_bundle(bundle, fake_contents(tmp_path / "1", **changes))
    assert tree(bundle) == before
    assert [entry.name for entry in bundle.parent.iterdir()] == ["bundle"]


def test_golden_values_of_another_shape_are_not_packed(tmp_path):
    good = fake_contents(tmp_path / "1")
    wrong = Golden({"image": np.zeros((1, 3, 9, 9), np.float32)}, good.golden[0].outputs, 0.001)
    with pytest.raises(BundleError, match=r"shape \(1, 3, 9, 9\)"):
        pack_bundle(tmp_path / "b", dataclasses.replace(good, golden=[wrong]))
    assert [entry.name for entry in tmp_path.iterdir()] == ["1"]


def test_nan_in_the_figures_is_not_packed(tmp_path):
    with pytest.raises(ValueError, match="JSON"):
        pack_bundle(tmp_path / "b", fake_contents(tmp_path / "1", provenance={"time": float("nan")}))
    assert [entry.name for entry in tmp_path.iterdir()] == ["1"]


def test_a_failed_swap_brings_the_old_bundle_back(tmp_path, bundle, monkeypatch):
    before = tree(bundle)
    real, renamed = type(bundle).rename, []

    def fails_second(self, target):
        renamed.append(target)
        if len(renamed) == 2:
            raise OSError(5, "no luck")
        return real(self, target)

    monkeypatch.setattr(type(bundle), "rename", fails_second)
    with pytest.raises(OutputError, match="no luck"):
        pack_bundle(bundle, fake_contents(tmp_path / "1"))
    assert tree(bundle) == before
    assert [entry.name for entry in bundle.parent.iterdir()] == ["bundle"]


def test_only_a_sound_bundle_is_zipped(tmp_path, bundle):
    (bundle / "artifact" / "model.bin").write_bytes(b"x")
    with pytest.raises(BundleError):
        zip_bundle(bundle, tmp_path / "b.zip")
    assert not (tmp_path / "b.zip").exists()
