"""Write Paddle models as PaddleDetection exports them: `python -m demo.paddle.export picodet FOLDER`.

Folders hold model.pdmodel (Paddle 2) or model.json (Paddle 3), model.pdiparams and infer_cfg.yml. Weights are seeded,
not trained. The classifier is no model of PaddleDetection and has no infer_cfg.yml.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import paddle
from paddle import nn
from paddle.static import InputSpec

from demo.paddle import infer_cfg, networks

LABELS = [f"class {index}" for index in range(infer_cfg.COCO)]
_SEED = 20_260_801


def export(name: str, folder: Path) -> None:
    """Build the network `name` and write it to `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    paddle.seed(_SEED)
    np.random.seed(_SEED)  # some of PaddleDetection's initialisers draw from it
    EXPORTS[name](folder)


def save(net: nn.Layer, folder: Path, size: int, inputs: tuple[str, ...], unused: tuple[str, ...] = ()) -> None:
    """Write program and weights; the batch is left open, as PaddleDetection leaves it.

    `unused` are inputs that the network's code takes but the exported part does not need: traced, then pruned.
    """
    specs: dict[str, Any] = {
        "image": InputSpec([None, 3, size, size], "float32", "image"),
        "im_shape": InputSpec([None, 2], "float32", "im_shape"),
        "scale_factor": InputSpec([None, 2], "float32", "scale_factor"),
    }
    net.eval()
    traced = paddle.jit.to_static(net, input_spec=[{name: specs[name] for name in inputs + unused}])
    paddle.jit.save(traced, str(folder / "model"), input_spec=[{name: specs[name] for name in inputs}])


def _small_cnn(folder: Path) -> None:
    save(networks.small_cnn(), folder, 96, ("image",))


def _picodet(nms: bool, finished: bool = True) -> Any:
    def build(folder: Path) -> None:
        net = networks.picodet()
        net.export_nms, net.export_post_process = nms, finished
        used, unused = (("image", "scale_factor"), ()) if nms else (("image",), ("scale_factor",))
        save(net, folder, 320, used, unused)
        infer_cfg.write(infer_cfg.picodet_config(LABELS, 320, finished), folder)

    return build


def _ppyoloe(nms: bool) -> Any:
    def build(folder: Path) -> None:
        net = networks.ppyoloe()
        net.yolo_head.exclude_nms = not nms
        save(net, folder, 640, ("image", "scale_factor"))
        infer_cfg.write(infer_cfg.ppyoloe_config(LABELS, 640), folder)

    return build


def _rtdetr(finished: bool) -> Any:
    def build(folder: Path) -> None:
        net = networks.rtdetr()
        net.finished = finished
        save(net, folder, 640, ("image", "im_shape", "scale_factor") if finished else ("image",))
        infer_cfg.write(infer_cfg.rtdetr_config(LABELS, 640), folder)

    return build


EXPORTS: dict[str, Any] = {
    "small_cnn": _small_cnn,
    "picodet": _picodet(nms=False),
    "picodet_nms": _picodet(nms=True),
    "picodet_raw": _picodet(nms=False, finished=False),
    "ppyoloe": _ppyoloe(nms=False),
    "ppyoloe_nms": _ppyoloe(nms=True),
    "rtdetr": _rtdetr(finished=True),
    "rtdetr_raw": _rtdetr(finished=False),
}


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", choices=sorted(EXPORTS))
    parser.add_argument("folder", type=Path)
    given = parser.parse_args()
    export(given.name, given.folder)


if __name__ == "__main__":
    main()
