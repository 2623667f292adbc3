"""Where results go: places that cannot be written, that are in use, or that hold something else."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from edgewright.workflow.run_dir import RunDir
from tests.cli import zoo
from tests.cli.conftest import Cli

DEPLOY = ("deploy", "m.onnx", "--images", "val", "--calibration", "cal")


def mount(folder: Path, options: str) -> None:
    folder.mkdir(exist_ok=True)
    if shutil.which("mount") is None:
        pytest.skip("there is no mount")
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "edgewright", folder], capture_output=True)
    if done.returncode:
        pytest.skip("mounting is not permitted")


@pytest.fixture
def disk(cli: Cli) -> Iterator[Path]:
    """A place outside the working folder for a small disk, unmounted afterwards."""
    folder = cli.folder.parent / "disk"
    folder.mkdir()
    yield folder
    subprocess.run(["umount", folder], capture_output=True)


def test_a_file_is_in_the_way(cli: Cli) -> None:
    cli.save("file", "I am a file")
    assert cli.refused(*DEPLOY, "--out", "file")["what"] == "a file is in the way of a folder"
    assert cli.refused(*DEPLOY, "--out", "file/below")["what"] == "a file is in the way of a folder"


@pytest.mark.parametrize("place", ["/proc/nothing/r", "a" * 300], ids=["no file system", "long"])
def test_a_folder_that_cannot_be_made(cli: Cli, place: str) -> None:
    assert cli.refused(*DEPLOY, "--out", place)["what"] == "this folder cannot be made"


def test_a_folder_of_other_things_is_not_written_to(cli: Cli) -> None:
    error = cli.refused(*DEPLOY, "--out", "val")
    assert error["what"] == "this folder is no run directory and is not empty"
    assert error["where"] == "val"
    (cli.folder / "empty").mkdir()
    assert cli(*DEPLOY, "--out", "empty").status == 0


def test_two_at_once_in_one_directory(cli: Cli) -> None:
    assert cli(*DEPLOY, "--out", "r").status == 0
    with RunDir.open(Path("r")):
        error = cli.refused(*DEPLOY, "--out", "r")
        assert error["what"] == "another edgewright process works in this run directory"
        assert cli(*DEPLOY, "--out", "s").status == 0
    assert "Nothing changed" in cli(*DEPLOY, "--out", "r").out


def test_a_folder_named_bundle_that_is_none(cli: Cli) -> None:
    assert cli(*DEPLOY, "--out", "r").status == 0
    shutil.rmtree("r/bundle")
    cli.save("r/bundle/photo.jpg", "my only copy")
    answer = cli(*DEPLOY, "--out", "r")
    assert answer.status == 2
    assert answer.err.startswith("edgewright: this folder is not a bundle and is not replaced\n")
    assert Path("r/bundle/photo.jpg").read_text() == "my only copy"


def test_a_refusal_keeps_earlier_results(cli: Cli) -> None:
    assert cli(*DEPLOY, "--out", "r").status == 0
    cli.refused(*DEPLOY, "--out", "r", "--observer", "zzz")
    other = cli.save("w.onnx", zoo.detector(wide=True))
    cli.refused("deploy", other, *DEPLOY[2:], "--out", "r", "--observer", "zzz")  # known before the first stage
    cli.refused(*DEPLOY, "--out", "r", "--labels", "cal.json")
    cli.refused("deploy", "no.onnx", *DEPLOY[2:], "--out", "r")
    assert "Nothing changed" in cli(*DEPLOY, "--out", "r").out


def test_parents_that_were_there_stay(cli: Cli) -> None:
    (cli.folder / "runs").mkdir()
    cli.refused(*DEPLOY, "--labels", "cal.json")
    cli.refused(*DEPLOY, "--labels", "cal.json", "--out", "new/and/deep")
    assert not (cli.folder / "new").exists()
    assert (cli.folder / "runs").is_dir()


def test_a_read_only_disk(cli: Cli, disk: Path) -> None:
    mount(disk, "size=1m,ro")
    for out in (disk, disk / "r"):
        error = cli.refused(*DEPLOY, "--out", out)
        assert error["what"] == "this folder cannot be written"
        assert str(disk) in error["where"]
        assert error["do"]


@pytest.mark.parametrize("free", [0, 4, 16, 32, 48, 64, 80, 96, 128])
def test_a_full_disk(cli: Cli, disk: Path, free: int) -> None:
    """Whatever the moment at which the disk is full: words, no half of anything, and room is all that it takes."""
    mount(disk, "size=2m")
    filler = disk / "filler"
    filler.write_bytes(bytes((2048 - free - 4) << 10))
    before = cli.tree(cli.folder)
    answer = cli(*DEPLOY, "--out", disk / "r")
    if answer.status == 0:
        pytest.fail(f"{free} KiB are enough: the test proves nothing")
    assert answer.status == 2, answer
    assert answer.err.startswith("edgewright: the disk is full\n")
    assert answer.out == ""
    assert cli.tree(cli.folder) == before
    left = [path for path in disk.rglob("*") if path.name.startswith(".") and path.name != ".lock"]
    assert not left
    assert all((stage / "done.json").is_file() for stage in disk.glob("r/stages/*")), "a stage is whole or not there"
    filler.unlink()
    assert cli(*DEPLOY, "--out", disk / "r").status == 0


def test_a_disk_that_fills_up_keeps_the_results_of_the_run_before(cli: Cli, disk: Path) -> None:
    mount(disk, "size=2m")
    assert cli(*DEPLOY, "--out", disk / "r").status == 0
    names = ("bundle/manifest.json", "report.html", "report.json", "recipe.toml")
    before = [(disk / "r" / name).read_bytes() for name in names]
    with (disk / "filler").open("wb", buffering=0) as filler:
        try:
            while True:
                filler.write(bytes(4096))
        except OSError:
            pass
    answer = cli(*DEPLOY, "--out", disk / "r", "--observer", "minmax")
    assert answer.status == 2
    assert answer.err.startswith("edgewright: the disk is full\n")
    assert [(disk / "r" / name).read_bytes() for name in names] == before
    assert "Nothing changed" in cli(*DEPLOY, "--out", disk / "r").out


def test_no_room_for_drawings(cli: Cli, disk: Path, bundle: Path) -> None:
    mount(disk, "size=8k")
    answer = cli("run", bundle, "val", "--save", disk / "drawn")
    assert answer.status == 2
    assert answer.err.startswith("edgewright: the disk is full\n")
    assert not [path for path in disk.rglob("*") if path.name.startswith(".")]
