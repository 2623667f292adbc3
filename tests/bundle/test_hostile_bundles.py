"""Bundles that somebody spoiled, each with its story. All are refused, say why, and write nowhere."""

from __future__ import annotations

import json
import os
import re
import stat
import struct
import zipfile

import numpy as np
import pytest

from edgewright.bundle.archive import Limits
from edgewright.bundle.golden import arrays_to_bytes
from edgewright.bundle.open import open_bundle
from edgewright.errors import BundleError, TargetMismatch
from tests.bundle.bundle_fakes import TARGET, entries_of, put_manifest, rehash, rewrite_manifest, zip_of


def everything(folder):
    return sorted(str(path) for path in folder.rglob("*"))


def refused(path, tmp_path, temp, match, limits=None, kind=BundleError, target=None):
    """Opening fails with a reason, and the disk is as before."""
    before = everything(tmp_path)
    with pytest.raises(kind) as caught:
        open_bundle(path, limits=limits, target=target)
    error = caught.value
    assert error.where == str(path)
    assert error.todo
    assert re.search(match, f"{error.what}\n{error.why}\n{error.todo}")  # not in `where`, named after the test
    assert everything(tmp_path) == before
    assert not any(temp.iterdir())


def flip(path, at=-1):
    data = bytearray(path.read_bytes())
    data[at] ^= 0x01
    path.write_bytes(bytes(data))


# ------------------------------------------------------------------------------------------- folders: damage


def test_a_byte_of_the_artifact_changed(bundle, tmp_path, temp):
    flip(bundle / "artifact" / "model.bin", 100)
    refused(bundle, tmp_path, temp, r"artifact/model\.bin.*not what was packed")


@pytest.mark.parametrize("at", [0, 30, 200, -2, -1])
def test_a_byte_of_the_manifest_changed(bundle, tmp_path, temp, at):
    flip(bundle / "manifest.json", at)
    refused(bundle, tmp_path, temp, r"manifest\.json is not the file whose SHA-256")


def test_the_digest_changed(bundle, tmp_path, temp):
    flip(bundle / "manifest.json.sha256", 5)
    refused(bundle, tmp_path, temp, r"manifest\.json is not the file whose SHA-256")


def test_the_artifact_was_cut(bundle, tmp_path, temp):
    file = bundle / "artifact" / "model.bin"
    file.write_bytes(file.read_bytes()[:-4])
    refused(bundle, tmp_path, temp, r"has 3068 bytes, 3072 were packed")


@pytest.mark.parametrize("name", ["artifact/model.bin", "golden/000-outputs.npz", "README.txt"])
def test_a_file_is_missing(bundle, tmp_path, temp, name):
    (bundle / name).unlink()
    refused(bundle, tmp_path, temp, rf"{name}' is missing")


@pytest.mark.parametrize("name", ["manifest.json", "manifest.json.sha256"])
def test_it_is_no_bundle(bundle, tmp_path, temp, name):
    (bundle / name).unlink()
    refused(bundle, tmp_path, temp, rf"not a bundle[\s\S]*{name} is missing")


def test_a_file_too_many(bundle, tmp_path, temp):
    (bundle / "artifact" / "libevil.so").write_bytes(b"x")
    refused(bundle, tmp_path, temp, r"artifact/libevil\.so', which its manifest does not list")


def test_nothing_is_there(tmp_path, temp):
    with pytest.raises(BundleError, match="there is no bundle"):
        open_bundle(tmp_path / "nowhere")


# ------------------------------------------------------------------------------------------- folders: links and limits


def test_a_file_is_a_link(bundle, tmp_path, temp):
    secret = tmp_path / "secret"
    file = bundle / "artifact" / "model.bin"
    secret.write_bytes(file.read_bytes())  # even the right content
    file.unlink()
    file.symlink_to(secret)
    refused(bundle, tmp_path, temp, r"artifact/model\.bin' is a symbolic link")


def test_a_folder_is_a_link(bundle, tmp_path, temp):
    (bundle / "artifact").rename(tmp_path / "elsewhere")
    (bundle / "artifact").symlink_to(tmp_path / "elsewhere")
    refused(bundle, tmp_path, temp, r"'artifact' is a symbolic link")


def test_a_pipe_does_not_hang(bundle, tmp_path, temp):
    (bundle / "README.txt").unlink()
    os.mkfifo(bundle / "README.txt")
    refused(bundle, tmp_path, temp, r"special file")


def test_too_many_files(bundle, tmp_path, temp):
    refused(bundle, tmp_path, temp, r"more than 5 files", Limits(entries=5))


def test_too_many_bytes(bundle, tmp_path, temp):
    refused(bundle, tmp_path, temp, r"the limit is 1000", Limits(total_bytes=1000))


# ------------------------------------------------------------------------------------ manifests with mended hashes

BAD_PATHS = [
    ("../../evil", "climbs"),
    ("artifact/../../evil", "climbs"),
    ("/etc/passwd", "absolute"),
    ("C:/evil", "holds :"),
    ("artifact\\evil", r"holds \\"),
    ("artifact//x", "climbs or repeats"),
    ("./x", "climbs or repeats"),
    ("a\0b", "control character"),
    ("artifact/NUL.txt", "Windows"),
    ("artifact/end.", "Windows"),
    ("x" * 300, "characters"),
    ("/".join("abcdefghij"), "folders deep"),
    ("ARTIFACT/MODEL.BIN", "ignores case"),
    ("artifact/model.bin/deep", "is a file as well"),
    ("manifest.json", "same as"),
]


@pytest.mark.parametrize(("path", "reason"), BAD_PATHS)
def test_a_path_that_leads_elsewhere(bundle, tmp_path, temp, path, reason):
    rewrite_manifest(bundle, lambda data: data["files"].update({path: {"sha256": "0" * 64, "bytes": 1}}))
    refused(bundle, tmp_path, temp, rf"cannot be trusted[\s\S]*{reason}")


@pytest.mark.parametrize("path", ["../../etc/passwd", "/etc/passwd"])
def test_the_artifact_lies_elsewhere(bundle, tmp_path, temp, path):
    rewrite_manifest(bundle, lambda data: data["artifact"].update(files=[path]))
    refused(bundle, tmp_path, temp, r"artifact\.files\.0")


def test_the_golden_sample_lies_elsewhere(bundle, tmp_path, temp):
    rewrite_manifest(bundle, lambda data: data["golden"][0].update(inputs="golden/other.npz"))
    refused(bundle, tmp_path, temp, r"golden/other\.npz' is used, but not listed")


def test_a_newer_schema(bundle, tmp_path, temp):
    rewrite_manifest(bundle, lambda data: data.update(schema_version=4, tool="9.9", something_new={}))
    refused(bundle, tmp_path, temp, r"newer Edgewright \(9\.9\)[\s\S]*schema version 4[\s\S]*update")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda d: d.pop("schema_version"), "no schema_version"),
        (lambda d: d.update(schema_version=True), "no schema_version"),
        (lambda d: d.update(schema_version=0), "no schema_version"),
        (lambda d: d.update(surprise=1), "surprise"),
        (lambda d: d.pop("contract"), "contract"),
        (lambda d: d.update(target="other/chip"), "but the artifact is for 'fake/chip'"),
        (lambda d: d["contract"].update(width="8"), "contract.width"),
        (lambda d: d["contract"].update(width=10**9), "contract.width"),
        (lambda d: d["contract"].update(input="x"), "no input 'x'"),
        (lambda d: d["head"]["parts"][0].update(output="z"), "no output 'z'"),
        (lambda d: d["head"]["parts"][0].update(axis=5), "axis 5"),
        (lambda d: d["artifact"]["inputs"][0]["spec"].update(shape=[2**20, 2**20]), "elements"),
        (lambda d: d["artifact"]["inputs"][0]["spec"].update(dtype="object"), "dtype"),
        (
            lambda d: d["artifact"]["inputs"][0].update(
                grid={"dtype": "uint8", "scale": -1.0, "zero_point": 0, "axis": None}
            ),
            "scale must be positive",
        ),
        (lambda d: d["golden"][0].update(tolerance=5), "tolerance"),
        (lambda d: d.update(golden=[]), "golden"),
        (lambda d: d["decode"].update(confidence=7), "confidence"),
        (lambda d: d["variants"][0].pop("parts"), "parts"),
        (lambda d: d["files"]["README.txt"].update(sha256="nonsense"), "sha256"),
    ],
)
def test_a_manifest_that_contradicts_itself(bundle, tmp_path, temp, change, reason):
    rewrite_manifest(bundle, change)
    refused(bundle, tmp_path, temp, rf"cannot be trusted[\s\S]*{reason}")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b"", "Expecting value"),
        (b"{", "Expecting"),
        (b"[]", "no schema_version"),
        (b"\xff\xfe{}", "decode"),
        (b'{"schema_version": 1, "schema_version": 1}', "stands twice"),
        (b"[" * 200_000, "nested too deeply"),
        (b'{"schema_version": ' + b"9" * 5000 + b"}", "digit"),
    ],
)
def test_a_manifest_that_is_no_json(bundle, tmp_path, temp, text, reason):
    put_manifest(bundle, text)
    refused(bundle, tmp_path, temp, rf"cannot be trusted[\s\S]*{reason}")


@pytest.mark.parametrize("figure", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_a_figure_that_is_no_number(bundle, tmp_path, temp, figure):
    text = (bundle / "manifest.json").read_text(encoding="utf-8")
    assert '"tolerance": 0.001' in text
    put_manifest(bundle, text.replace('"tolerance": 0.001', f'"tolerance": {figure}').encode())
    refused(bundle, tmp_path, temp, rf"{figure} is not")


def test_a_huge_manifest(bundle, tmp_path, temp):
    with (bundle / "manifest.json").open("ab") as file:
        file.truncate(17 * 2**20)
    refused(bundle, tmp_path, temp, r"manifest\.json has more than 16777216 bytes")


def test_another_target_than_was_asked_for(bundle, tmp_path, temp):
    for path in (bundle, zipped(bundle, tmp_path)):
        refused(path, tmp_path, temp, f"for {TARGET}, not for other/chip", kind=TargetMismatch, target="other/chip")


# ------------------------------------------------------------------------------------------- golden samples


def npz_claiming(shape, data=b"", dtype="<f4"):
    header = repr({"descr": dtype, "fortran_order": False, "shape": shape}).encode()
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header) + 1) + header + b"\n" + data


@pytest.mark.parametrize(
    ("entries", "method", "reason"),
    [
        ([("image.npy", npz_claiming((1, 3, 8, 8)))], zipfile.ZIP_STORED, "reshape"),
        ([("image.npy", npz_claiming((10**6, 10**6)))], zipfile.ZIP_STORED, "shape"),
        ([("image.npy", npz_claiming((1, 3, 8, 8), b"\0" * 768))], zipfile.ZIP_DEFLATED, "packed"),
        ([("image.npy", npz_claiming((1, 3, 8, 8), b"\0" * 768, "<i4"))], zipfile.ZIP_STORED, "dtype int32"),
        ([("image.npy", npz_claiming((1, 3, 8, 8), b"\0" * 768, "|O"))], zipfile.ZIP_STORED, "dtype object"),
        ([("other.npy", npz_claiming((1, 3, 8, 8), b"\0" * 768))], zipfile.ZIP_STORED, r"other\.npy"),
        ([("image.npy", b"\x80\x04pickle")], zipfile.ZIP_STORED, "magic"),
        ([("image.npy", arrays_to_bytes({"a": np.zeros(3)}))], zipfile.ZIP_STORED, "magic"),
    ],
)
def test_a_golden_file_that_lies(bundle, tmp_path, temp, entries, method, reason):
    zip_of(bundle / "golden" / "000-inputs.npz", entries, method)
    rehash(bundle)
    with open_bundle(bundle) as opened, pytest.raises(BundleError, match=reason):
        opened.golden()


def test_a_golden_file_that_is_no_npz(bundle, tmp_path, temp):
    (bundle / "golden" / "000-inputs.npz").write_bytes(b"hello" * 20)
    rehash(bundle)
    with open_bundle(bundle) as opened, pytest.raises(BundleError, match="not a zip"):
        opened.golden()


# ------------------------------------------------------------------------------------------- zips


def zipped(bundle, tmp_path, extra=(), method=zipfile.ZIP_STORED):
    return zip_of(tmp_path / "b.zip", [*entries_of(bundle), *extra], method)


def test_a_sound_zip_made_by_any_tool_opens(bundle, tmp_path, temp):
    folder_entry = zipfile.ZipInfo("artifact/")
    with open_bundle(zipped(bundle, tmp_path, [(folder_entry, b"")], zipfile.ZIP_DEFLATED)) as opened:
        assert opened.manifest.target == TARGET


@pytest.mark.parametrize(("path", "reason"), [case for case in BAD_PATHS if case[0] != "manifest.json"])
def test_a_zip_entry_that_leads_elsewhere(bundle, tmp_path, temp, path, reason):
    # a NUL and a backslash would be changed by zipfile when it writes, so they are put in afterwards
    plain = path.replace("\0", "!").replace("\\", "!")
    file = zipped(bundle, tmp_path, [(plain, b"evil")])
    file.write_bytes(file.read_bytes().replace(plain.encode(), path.encode()))
    refused(file, tmp_path, temp, rf"cannot be opened as a bundle[\s\S]*{reason}")
    assert not (tmp_path.parent / "evil").exists()


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR])
def test_a_zip_entry_that_is_a_link_or_device(bundle, tmp_path, temp, kind):
    entry = zipfile.ZipInfo("artifact/link")
    entry.external_attr = (kind | 0o777) << 16
    reason = "symbolic link" if kind == stat.S_IFLNK else "special file"
    refused(zipped(bundle, tmp_path, [(entry, b"/etc/passwd")]), tmp_path, temp, rf"artifact/link' is a {reason}")


def test_a_file_twice_in_the_zip(bundle, tmp_path, temp):
    with pytest.warns(UserWarning, match="Duplicate"):
        file = zipped(bundle, tmp_path, [("artifact/model.bin", b"other")])
    refused(file, tmp_path, temp, r"artifact/model\.bin': it is the same as")


def test_a_zip_bomb(bundle, tmp_path, temp):
    file = zipped(bundle, tmp_path, [("artifact/zeros.bin", bytes(10 * 2**20))], zipfile.ZIP_DEFLATED)
    refused(file, tmp_path, temp, r"zeros\.bin' claims to unpack \d+ bytes to 10485760, more than 200 to 1: a zip bomb")


def test_a_bomb_of_many_entries_each_below_the_limit(bundle, tmp_path, temp):
    extra = [(f"artifact/{n}.bin", bytes(2**20)) for n in range(8)]
    file = zipped(bundle, tmp_path, extra, zipfile.ZIP_DEFLATED)
    refused(file, tmp_path, temp, r"unpacks to \d+ bytes, the limit is 4194304", Limits(total_bytes=4 * 2**20))


@pytest.mark.parametrize("claim", [10, 2 * 2**20])
def test_a_bomb_that_lies_about_its_size(bundle, tmp_path, temp, claim):
    real = 2**20
    file = zipped(bundle, tmp_path, [("artifact/zeros.bin", bytes(real))], zipfile.ZIP_DEFLATED)
    data = file.read_bytes()
    assert data.count(struct.pack("<I", real)) == 2  # local header and directory
    file.write_bytes(data.replace(struct.pack("<I", real), struct.pack("<I", claim)))
    refused(file, tmp_path, temp, r"damaged: .*(CRC|zeros\.bin)")


def test_more_entries_than_a_memory_holds(bundle, tmp_path, temp):
    file = zipped(bundle, tmp_path, [(f"artifact/{n}", b"") for n in range(40)])
    refused(file, tmp_path, temp, r"lists more than 20 entries", Limits(entries=20))


def test_a_directory_whose_size_lies(bundle, tmp_path, temp):
    file = zipped(bundle, tmp_path)
    data = bytearray(file.read_bytes())
    data[-10:-6] = struct.pack("<I", 0x7FFFFFFF)
    file.write_bytes(bytes(data))
    refused(file, tmp_path, temp, r"lists more than")


def test_a_64_bit_directory_that_overrules_the_small_one(bundle, tmp_path, temp):
    file = zipped(bundle, tmp_path)
    data = file.read_bytes()
    locator = struct.pack("<4sIQI", b"PK\x06\x07", 0, 0, 1)
    file.write_bytes(data[:-22] + locator + data[-22:])
    refused(file, tmp_path, temp, r"lists more than")


def test_an_entry_without_a_name(bundle, tmp_path, temp):
    file = zipped(bundle, tmp_path, [("x", b"evil")])
    data = bytearray(file.read_bytes())
    at = data.rfind(b"PK\x01\x02")
    data[at + 28 : at + 30] = b"\0\0"  # length of the name; what was the name becomes the extra field
    data[at + 30 : at + 32] = b"\1\0"
    file.write_bytes(bytes(data))
    refused(file, tmp_path, temp, r"unsafe path: '': it has 0 characters")


def test_an_offset_outside_the_file(bundle, tmp_path, temp):
    file = zipped(bundle, tmp_path)
    data = bytearray(file.read_bytes())
    data[-6:-2] = struct.pack("<I", len(data) * 2)
    file.write_bytes(bytes(data))
    refused(file, tmp_path, temp, r"the zip is damaged")


def test_an_encrypted_entry(bundle, tmp_path, temp):
    file = zipped(bundle, tmp_path)
    data = bytearray(file.read_bytes())
    at = data.rfind(b"PK\x01\x02")
    data[at + 8] |= 1
    file.write_bytes(bytes(data))
    refused(file, tmp_path, temp, r"is encrypted")


def test_a_rare_packing_method(bundle, tmp_path, temp):
    file = zipped(bundle, tmp_path, [("artifact/x", b"x")], zipfile.ZIP_LZMA)
    refused(file, tmp_path, temp, r"packed by method 14")


def test_a_changed_byte_inside_a_zip(bundle, tmp_path, temp):
    file = zipped(bundle, tmp_path)
    data = bytearray(file.read_bytes())
    weights = (bundle / "artifact" / "model.bin").read_bytes()
    data[data.find(weights) + 7] ^= 1
    file.write_bytes(bytes(data))
    refused(file, tmp_path, temp, r"Bad CRC-32 for file 'artifact/model\.bin'")


@pytest.mark.parametrize("keep", [0.3, 0.7, 0.99])
def test_a_truncated_zip(bundle, tmp_path, temp, keep):
    file = zipped(bundle, tmp_path)
    data = file.read_bytes()
    file.write_bytes(data[: int(len(data) * keep)])
    refused(file, tmp_path, temp, r"truncated: its end is missing")


@pytest.mark.parametrize("data", [b"", b"hello", b"\x89PNG" + bytes(100)])
def test_not_a_zip(tmp_path, temp, data):
    file = tmp_path / "b.zip"
    file.write_bytes(data)
    refused(file, tmp_path, temp, r"not a zip file")


def test_a_zip_without_manifest(tmp_path, temp):
    refused(zip_of(tmp_path / "b.zip", [("a.txt", b"x")]), tmp_path, temp, r"manifest\.json is missing")


def test_a_zip_with_a_file_too_many_leaves_nothing(bundle, tmp_path, temp):
    refused(zipped(bundle, tmp_path, [("artifact/x", b"x")]), tmp_path, temp, r"does not list")


def test_a_manifest_in_a_zip_is_checked_too(bundle, tmp_path, temp):
    rewrite_manifest(bundle, lambda data: data.update(schema_version=7))
    refused(zipped(bundle, tmp_path), tmp_path, temp, r"newer Edgewright")


def test_the_manifest_is_the_one_that_json_tools_read(bundle):
    assert json.loads((bundle / "manifest.json").read_text(encoding="utf-8"))["names"] == ["cat", "Hündin"]
