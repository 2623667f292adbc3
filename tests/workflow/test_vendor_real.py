"""`analyse` of the shipped detector with the vendors' real tools."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

import edgewright as ew
from edgewright.toolchains.environments import ensure
from edgewright.toolchains.vendors import vendor_spec
from tests.cli.zoo import write_images
from tests.targets.sophgo.nets import network

DEMO = Path(__file__).parents[2] / "demo"
pytestmark = [pytest.mark.toolchain, pytest.mark.timeout(1800)]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Six images to calibrate on, six to measure on."""
    folder = tmp_path_factory.mktemp("images")
    for kind in ("calibration", "evaluation"):
        (folder / kind).mkdir()
        for path in sorted((DEMO / "images" / kind).iterdir())[:6]:
            shutil.copyfile(path, folder / kind / path.name)
    return {"images": folder / "evaluation", "calibration": folder / "calibration"}


@pytest.mark.parametrize("target", ["sophgo/bm1684", "rockchip/rk3588"])
def test_layers_of_the_detector_are_told_in_the_users_names(target: str, data: dict[str, Path], tmp_path: Path) -> None:
    ensure(vendor_spec(target.partition("/")[0]), yes=True)
    found = ew.analyse(DEMO / "detector.onnx", **data, target=target, out=tmp_path / "r").analysis
    vendor = found.vendor
    assert vendor is not None
    assert (vendor.images, vendor.single_images) == (6, 2)
    assert len(vendor.tensors) > 180
    rows = {row.tensor: row for row in vendor.tensors}
    first = rows["/stem/stem.0/act/Mul_output_0"]
    assert first.source_ops == ("/stem/stem.0/act/Mul",)
    assert first.apart is not None
    assert first.apart < 0.005
    known = [error for error in found.owners() if error.tensor in rows]
    assert len(known) > 90, "joined to what the analysis says of the same tensors"
    assert all("Sigmoid" in name for name in list(vendor.fused)[:3])
    assert len(vendor.misnamed) <= 1
    assert all(part.is_predicted(0.05) for part in vendor.parts)
    alone = [row for row in vendor.tensors if row.alone is not None and row.isolated is not None]
    near = sum(abs(row.alone - row.isolated) <= 0.3 * row.isolated + 0.003 for row in alone)
    assert near > 0.8 * len(alone), "op by op the emulation says what the tool computes"
    if target == "rockchip/rk3588":
        logits = rows["/head/cv3.2/cv3.2.4/Conv_output_0"]
        assert logits.alone is not None
        assert logits.isolated is not None
        assert logits.alone > 10 * logits.isolated, "the toolkit clips at -7 what a Sigmoid reads"


def test_two_chips_part_by_what_the_older_one_lacks(tmp_path: Path) -> None:
    """A depthwise layer whose channels differ in size: one step for all of them costs what a step for each does not."""
    ensure(vendor_spec("sophgo"), yes=True)
    (tmp_path / "uneven.onnx").write_bytes(network().data)
    write_images(tmp_path / "images", 8, seed=1)
    data = {"images": tmp_path / "images", "calibration": tmp_path / "images", "task": "tensors"}
    words = {**data, "target": "sophgo/bm1684", "against": "sophgo/bm1684x"}
    found = ew.analyse(tmp_path / "uneven.onnx", **words, out=tmp_path / "r").against
    assert found is not None
    assert found.same_grids == found.grids > 8, "the very same table"
    assert found.facts["here"]["one step for the whole weight"] == found.facts["there"]["a step for each channel"] == 4
    assert (found.facts["here"]["biases of 16 bits"], found.facts["there"]["biases of 16 bits"]) == (3, 0)
    rows = {row.tensor: row for row in found.rows}
    depthwise = rows["d"]
    assert (depthwise.name, depthwise.kind) == ("dw", "depthwise Conv")
    assert depthwise.alone_here is not None
    assert depthwise.alone_there is not None
    assert depthwise.alone_here > depthwise.alone_there
    assert rows["pooled"].here is not None
    named = [swap.what for swap in found.swaps]
    assert (named[0], named[-1]) == ("as sophgo/bm1684x", "as sophgo/bm1684")
    assert "one step for a whole weight, the finest that holds it" in named
    assert all(None not in swap.parts.values() for swap in found.swaps)
