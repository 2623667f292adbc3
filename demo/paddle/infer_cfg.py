"""The file `infer_cfg.yml` that PaddleDetection writes beside an exported model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

COCO = 80
_IMAGENET: dict[str, Any] = {"is_scale": True, "mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]}
_NONE: dict[str, Any] = {"mean": [0.0, 0.0, 0.0], "norm_type": "none", "std": [1.0, 1.0, 1.0]}


def picodet_config(labels: list[str], size: int, finished: bool = True) -> dict[str, Any]:
    """PicoDet: its file also tells the strides and the NMS that a host would need."""
    nms = {
        "keep_top_k": 100,
        "name": "MultiClassNMS",
        "nms_threshold": 0.5,
        "nms_top_k": 1000,
        "score_threshold": 0.3,
    }
    more = {"NMS": nms, "fpn_stride": [8, 16, 32, 64]}
    return {**_base("GFL" if finished else "PicoDet", _IMAGENET, labels, size), **more}


def ppyoloe_config(labels: list[str], size: int) -> dict[str, Any]:
    """PP-YOLOE, whose architecture PaddleDetection 2.6 calls YOLOv3."""
    return _base("YOLO", _IMAGENET, labels, size)


def rtdetr_config(labels: list[str], size: int) -> dict[str, Any]:
    """RT-DETR: values 0..1, no mean."""
    return _base("DETR", _NONE, labels, size)


def _base(arch: str, normalise: dict[str, Any], labels: list[str], size: int) -> dict[str, Any]:
    return {
        "mode": "paddle",
        "draw_threshold": 0.5,
        "metric": "COCO",
        "use_dynamic_shape": False,
        "arch": arch,
        "min_subgraph_size": 3,
        "Preprocess": [
            {"interp": 2, "keep_ratio": False, "target_size": [size, size], "type": "Resize"},
            {**normalise, "type": "NormalizeImage"},
            {"type": "Permute"},
        ],
        "label_list": labels,
    }


def write(config: dict[str, Any], folder: Path) -> None:
    """Write `infer_cfg.yml` into `folder`."""
    (folder / "infer_cfg.yml").write_text(yaml.safe_dump(config, sort_keys=False), encoding="utf-8")
