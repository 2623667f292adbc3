"""AP of a PaddleDetection network, in Paddle itself, on the demo's evaluation images."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import paddle
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

_DEMO = Path(__file__).resolve().parent.parent
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # RGB, of 0..1


def average_precision(network: Any, side: int) -> tuple[float, float]:
    """AP and AP50, in percent, of `network` with images stretched to `side` x `side` pixels."""
    network.eval()
    network.export_post_process = network.export_nms = True
    truth = COCO(str(_DEMO / "labels.json"))
    found: list[dict[str, Any]] = []
    for image in json.loads((_DEMO / "labels.json").read_text(encoding="utf-8"))["images"]:
        pixels = cv2.imread(str(_DEMO / "images" / "evaluation" / image["file_name"]))[..., ::-1]
        found += _detections(network, pixels, side, image["id"])
    if not found:
        return 0.0, 0.0
    judge = COCOeval(truth, truth.loadRes(found), "bbox")
    judge.evaluate()
    judge.accumulate()
    judge.summarize()
    return float(judge.stats[0]) * 100, float(judge.stats[1]) * 100


def _detections(network: Any, pixels: np.ndarray[Any, Any], side: int, image_id: int) -> list[dict[str, Any]]:
    resized = cv2.resize(pixels, (side, side), interpolation=cv2.INTER_CUBIC).astype(np.float32) / 255
    normal = ((resized - np.float32(MEAN)) / np.float32(STD)).transpose(2, 0, 1)[None]
    scale = np.float32([[side / pixels.shape[0], side / pixels.shape[1]]])
    given = {"image": normal, "scale_factor": scale, "im_shape": np.float32([[side, side]])}
    with paddle.no_grad():
        answer = network({name: paddle.to_tensor(np.ascontiguousarray(value)) for name, value in given.items()})
    rows = answer["bbox"].numpy()
    return [
        {
            "image_id": image_id,
            "category_id": int(label) + 1,
            "bbox": [float(x1), float(y1), float(x2 - x1), float(y2 - y1)],
            "score": float(score),
        }
        for label, score, x1, y1, x2, y2 in rows
    ]
