"""The contract against PaddleDetection's steps as the worker states them, without Paddle: both run here."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

import edgewright
from edgewright.data.contract import preprocess
from edgewright.sources.paddle.contract import contract_of
from edgewright.sources.paddle.infer_cfg import read_config

PACKAGE = Path(edgewright.__file__).parent
NORMALISE = "- {type: NormalizeImage, mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225], is_scale: true}"
PERMUTE = "- {type: Permute}"
LISTS = {
    "cubic": ("- {type: Resize, target_size: [96, 128], keep_ratio: false, interp: 2}", NORMALISE, PERMUTE),
    "area, raw": ("- {type: Resize, target_size: 64, keep_ratio: false, interp: 3}", PERMUTE),
    "kept": ("- {type: Resize, target_size: [128, 128], keep_ratio: true, interp: 1}", NORMALISE, PERMUTE),
    "kept, stride": (
        "- {type: Resize, target_size: [100, 150], keep_ratio: true, interp: 2}",
        NORMALISE,
        PERMUTE,
        "- {type: PadStride, stride: 32}",
    ),
    "kept, padded before": (
        "- {type: Resize, target_size: [128, 128], keep_ratio: true, interp: 1}",
        "- {type: Pad, size: [128, 128], fill_value: [114.0, 114.0, 114.0]}",
        NORMALISE,
        PERMUTE,
    ),
    "kept, padded after": (
        "- {type: Resize, target_size: [128, 128], keep_ratio: true, interp: 1}",
        NORMALISE,
        "- {type: Pad, size: [160, 160], fill_value: [0.0, 0.0, 0.0]}",
        PERMUTE,
    ),
    "letterbox": ("- {type: LetterBoxResize, target_size: [96, 160]}", NORMALISE, PERMUTE),
}
SIZES = [(96, 128), (64, 64), (128, 128), (61, 127), (300, 400), (401, 300), (33, 200), (130, 129), (1, 50)]


@pytest.fixture(scope="module")
def worker():
    """The worker's module, which is no part of our package."""
    side = PACKAGE / "toolchains" / "side"
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(side))
        path = PACKAGE / "targets" / "paddle" / "worker" / "preprocess.py"
        spec = importlib.util.spec_from_file_location("paddle_preprocess", path)
        assert spec is not None
        assert spec.loader is not None
        module: ModuleType = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        yield module
    sys.modules.pop("worker_side", None)


@pytest.mark.parametrize("size", SIZES, ids=lambda size: "x".join(map(str, size)))
@pytest.mark.parametrize("name", LISTS)
def test_the_contract_does_what_the_steps_do(worker, name: str, size: tuple[int, int], tmp_path: Path) -> None:
    path = tmp_path / "infer_cfg.yml"
    path.write_text("\n".join(["Preprocess:", *LISTS[name]]), encoding="utf-8")
    config = read_config(path)
    contract = contract_of(config, "image", path)
    image = np.random.default_rng(0).integers(0, 256, (*size, 3), np.uint8)
    steps = [step.model_dump(mode="json") for step in config.steps]
    if size == (1, 50) and "kept" in name:
        pytest.skip("PaddleDetection makes nothing of a line")
    found, placement = preprocess(image, contract)
    expected = worker.run_steps(image[:, :, ::-1], steps)[None]
    if expected.shape[2] > contract.height or expected.shape[3] > contract.width:
        assert size[0] > size[1], "only an upright image has no room in a network that lies"
        return
    whole = np.zeros(contract.shape, np.float32)
    whole[..., : expected.shape[2], : expected.shape[3]] = expected
    assert found.dtype == np.float32
    assert np.abs(found - whole).max() <= 1e-5 * np.abs(expected).max()
    corners = placement.boxes_to_image(np.array([[0, 0, expected.shape[3], expected.shape[2]]], np.float32))
    assert corners[0, 2] == pytest.approx(size[1], rel=0.02)


def test_a_line_is_placed_all_the_same(tmp_path: Path) -> None:
    path = tmp_path / "infer_cfg.yml"
    path.write_text("\n".join(["Preprocess:", *LISTS["kept"]]), encoding="utf-8")
    contract = contract_of(read_config(path), "image", path)
    assert preprocess(np.zeros((1, 5000, 3), np.uint8), contract)[0].shape == (1, 3, 128, 128)


def test_an_upright_image_is_made_smaller_where_the_network_lies(tmp_path: Path) -> None:
    path = tmp_path / "infer_cfg.yml"
    path.write_text("\n".join(["Preprocess:", *LISTS["kept, stride"]]), encoding="utf-8")
    contract = contract_of(read_config(path), "image", path)
    assert (contract.height, contract.width) == (128, 160)
    tensor, placement = preprocess(np.full((300, 200, 3), 255, np.uint8), contract)
    assert placement.scale_x == placement.scale_y == pytest.approx(128 / 300)
    assert (tensor[0, 0, :, 86:] == 0).all()
    assert (tensor[0, 0, :, :85] > 1).all()
