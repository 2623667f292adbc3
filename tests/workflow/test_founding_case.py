"""The case that Edgewright came from: boxes and scores on one grid, and the Mul by the strides, found by themselves."""

from __future__ import annotations

from pathlib import Path

import onnx_ir as ir
import pytest

import edgewright as ew
from edgewright.graph.io import load_model

ASSETS = Path(__file__).resolve().parents[2].parent / "shared" / "assets"
pytestmark = [pytest.mark.assets, pytest.mark.skipif(not ASSETS.is_dir(), reason="no measuring data here")]
COUNT = 4


def few(folder: Path, source: Path) -> Path:
    """The first images of a set."""
    folder.mkdir()
    for path in sorted(source.glob("*.jpg"))[:COUNT]:
        (folder / path.name).symlink_to(path)
    return folder


@pytest.mark.parametrize("target", [pytest.param("onnxruntime/cpu", marks=pytest.mark.slow), "onnxruntime/npu"])
def test_the_join_and_the_strides_are_named_first(target: str, tmp_path: Path) -> None:
    found = ew.analyse(
        ASSETS / "models" / "leyolo_nano_320.onnx",
        images=few(tmp_path / "val", ASSETS / "coco" / "val" / "images"),
        calibration=few(tmp_path / "calib", ASSETS / "coco" / "calib" / "images"),
        target=target,
        out=tmp_path / "run",
    )
    graph = prepared_graph(tmp_path / "run")
    worst, first = found.analysis.ranked()[0], found.findings[0]
    assert (worst.op_type, worst.region) == ("Concat", "tail")
    assert worst.effects["scores"] == pytest.approx(1.0, abs=0.05)
    assert (first.code, first.evidence["node"]) == ("EW301", worst.op)
    joined = {value.name: value.producer() for value in graph[worst.op].inputs if value is not None}
    strides = joined[first.evidence["large"]["tensor"]]
    assert strides is not None
    assert strides.op_type == "Mul", "the large operand is what the strides were multiplied into"
    assert strides.name in first.message
    if target == "onnxruntime/npu":
        assert (strides.name, "EW311") in {(finding.evidence.get("node"), finding.code) for finding in found.findings}
    part = found.analysis.worst_part()
    assert part is not None
    assert part.part == "scores"


def prepared_graph(run: Path) -> dict[str, ir.Node]:
    (prepared,) = run.glob("stages/prepare-*/prepared.onnx")
    return {node.name or "": node for node in load_model(prepared).ir.graph}
