"""The repair that took an engineer days: the Mul by the strides in 16 bits, found first and by itself."""

from __future__ import annotations

from pathlib import Path

import pytest

import edgewright as ew
from tests.workflow.test_founding_case import ASSETS, few, prepared_graph

pytestmark = [pytest.mark.assets, pytest.mark.skipif(not ASSETS.is_dir(), reason="no measuring data here")]


@pytest.mark.parametrize("target", [pytest.param("onnxruntime/cpu", marks=pytest.mark.slow), "onnxruntime/npu"])
def test_16_bits_go_to_the_strides_and_what_shares_their_grid_first(target: str, tmp_path: Path) -> None:
    run = ew.deploy(
        ASSETS / "models" / "leyolo_nano_320.onnx",
        images=few(tmp_path / "val", ASSETS / "coco" / "val" / "images"),
        calibration=few(tmp_path / "calib", ASSETS / "coco" / "calib" / "images"),
        target=target,
        max_drop=60,
        allow=["16bit"],
        out=tmp_path / "run",
    )
    (search,) = run.report.repairs
    widened = next(entry["remedies"] for entry in search["entries"] if entry["confirmation"] and entry["remedies"])
    assert [remedy["remedy"] for remedy in widened] == ["16bit"]
    first = widened[0]["facts"]["steps"][0]
    graph = prepared_graph(tmp_path / "run")
    assert first["tensor"] == "output0"
    assert sorted(graph[name].op_type for name in first["ops"]) == ["Concat", "Mul", "Sigmoid"]
    (strides,) = (graph[name] for name in first["ops"] if graph[name].op_type == "Mul")
    scales = [
        value.const_value.numpy() for value in strides.inputs if value is not None and value.const_value is not None
    ]
    assert sorted(set(scales[0].ravel().tolist())) == [8.0, 16.0, 32.0]
