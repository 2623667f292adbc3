"""Disks that fill up and runs that meet, while a vendor's real tool works."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections import namedtuple
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

import edgewright as ew
from edgewright.errors import OutputError
from edgewright.toolchains.environments import ensure
from edgewright.toolchains.install import install
from edgewright.toolchains.vendors import vendor_spec
from tests.cli.test_places import mount
from tests.helpers import model_from_text, normal
from tests.toolchains.conftest import left

TARGETS = ("rockchip/rk3588", "sophgo/bm1684x")
pytestmark = [pytest.mark.toolchain, pytest.mark.timeout(600)]


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A place for a small disk."""
    yield tmp_path / "disk"
    subprocess.run(["umount", tmp_path / "disk"], capture_output=True)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A network of 1.2 MB, and images beside it."""
    network = model_from_text(
        """<ir_version: 8, opset_import: ["" : 13]> g (float[1,3,32,32] x) => (float[1,128,32,32] y)
        {
          a = Conv <kernel_shape=[3,3], pads=[1,1,1,1]> (x, w)
          b = Relu (a)
          y = Conv <kernel_shape=[3,3], pads=[1,1,1,1]> (b, v)
        }""",
        w=normal(256, 3, 3, 3, scale=0.3),
        v=normal(128, 256, 3, 3, scale=0.1),
    )
    (tmp_path / "model.onnx").write_bytes(network.data)
    (tmp_path / "images").mkdir()
    random = np.random.default_rng(0)
    for index in range(4):
        cv2.imwrite(str(tmp_path / "images" / f"{index}.png"), random.integers(0, 255, (32, 32, 3), np.uint8))
    return tmp_path / "model.onnx"


@pytest.mark.parametrize("target", TARGETS)
def test_a_disk_that_fills_up_while_the_tool_builds(target: str, model: Path, disk: Path) -> None:
    """The tools do not say so themselves; the stages that were done stay, and room is all that it takes."""
    ensure(vendor_spec(target.partition("/")[0]), yes=True)
    mount(disk, "size=32m")
    filler = disk / "filler"
    room = 2 * model.stat().st_size + 200_000  # for the prepared model and its copy, and little of what is built
    filler.write_bytes(bytes((32 << 20) - room))
    job = {"images": model.parent / "images", "target": target, "task": "tensors", "precision": "float"}
    with pytest.raises(OutputError, match="the disk is full"):
        ew.deploy(model, **job, out=disk / "run")
    assert [path.name.partition("-")[0] for path in (disk / "run" / "stages").iterdir()] == ["prepare"]
    assert (next((disk / "run" / "stages").iterdir()) / "done.json").is_file()
    filler.unlink()
    assert ew.deploy(model, **job, out=disk / "run").verdict == "passed"


@pytest.mark.parametrize("vendor", ["rockchip", "sophgo"])
def test_a_cache_that_fills_up_while_a_toolchain_is_installed(
    vendor: str, disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Free space is looked at first; another process may take it meanwhile."""
    import shutil

    mount(disk, "size=100m")
    usage = namedtuple("usage", "total used free")
    monkeypatch.setenv("EDGEWRIGHT_CACHE", str(disk))
    with pytest.raises(OutputError, match="MB are free"):
        install(vendor_spec(vendor))
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(10**12, 0, 10**12))
    with pytest.raises(OutputError, match="the disk is full"):
        install(vendor_spec(vendor))
    assert left(disk / "toolchains" / vendor) == []


@pytest.mark.parametrize("target", TARGETS)
def test_of_two_deploys_at_once_one_works_and_the_other_is_refused(target: str, model: Path) -> None:
    ensure(vendor_spec(target.partition("/")[0]), yes=True)
    out = model.parent / "run"
    command = [sys.executable, "-c", "from edgewright.cli.main import run_app; run_app()", "deploy", str(model)]
    command += ["--images", str(model.parent / "images"), "--target", target, "--task", "tensors", "--out", str(out)]
    environment = {**os.environ, "COLUMNS": "200"}
    first = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        until = time.monotonic() + 120
        while not list(out.glob("stages/.partial-*/**/log.txt")):  # the vendor's tool is at work
            assert time.monotonic() < until
            assert first.poll() is None, first.communicate()
            time.sleep(0.02)
        second = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        assert second.returncode == 2
        assert second.stderr.startswith("edgewright: another edgewright process works in this run directory\n")
        told, wrong = first.communicate(timeout=400)
    finally:
        first.kill()
    assert first.returncode == 0, wrong
    assert told.splitlines()[-1].startswith(f"PASSED  {target}")
    assert "Nothing changed" in subprocess.run(command, env=environment, capture_output=True, text=True).stdout
