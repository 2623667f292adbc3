"""Trains PicoDet-XS on the demo's made-up scenes with PaddleDetection's own network, loss and assigners; exports it.

`python -m demo.paddle.train`, from the root of the repository, in an environment with paddlepaddle 2.6.2, paddledet,
numba and pycocotools. README.md says how long it took and what it reached.
"""

from __future__ import annotations

import argparse
import math
import os
import time
from pathlib import Path
from typing import Any

# The MKL that Paddle's wheel holds takes its slowest way on processors that it does not know.
os.environ.setdefault("MKL_DEBUG_CPU_TYPE", "5")

import cv2
import numpy as np

from demo.paddle.picodet import build_picodet  # isort: skip  # before Paddle
import paddle

from demo.augment import Frame, make_scenes, place, vary
from demo.dataset import TRAINING_SEED
from demo.paddle import infer_cfg
from demo.paddle.depthwise import use_quick_depthwise
from demo.paddle.evaluate import MEAN, STD, average_precision
from demo.paddle.export import save
from demo.scenes import HEIGHT, WIDTH, Scene
from demo.shapes import CLASSES

_DECAY = 0.998  # of the running mean of the weights
_WARM_STEPS = 100
_LARGEST_GRADIENT = 35.0


def _frame(side: int) -> Frame:
    """How scenes are put into a square of `side` pixels: stretched, as PaddleDetection's Resize does."""
    fit = side / WIDTH
    return Frame(side, (0.8 * fit, 1.25 * fit), 0.1, stretch=WIDTH / HEIGHT)


def _batch(scenes: list[Scene], frame: Frame, rng: np.random.Generator) -> dict[str, Any]:
    """What PaddleDetection's networks take in training: normalised images and padded objects."""
    varied = [vary(place(scene, frame, rng), rng) for scene in scenes]
    pixels = np.stack([scene.image[..., ::-1] for scene in varied]).astype(np.float32) / 255
    images = ((pixels - np.float32(MEAN)) / np.float32(STD)).transpose(0, 3, 1, 2)
    most = max(1, *(len(scene.labels) for scene in varied))
    boxes = np.zeros((len(varied), most, 4), np.float32)
    labels = np.zeros((len(varied), most, 1), np.int32)
    real = np.zeros((len(varied), most, 1), np.float32)
    for row, scene in enumerate(varied):
        count = len(scene.labels)
        boxes[row, :count], labels[row, :count, 0], real[row, :count] = scene.boxes, scene.labels, 1
    given = {"image": np.ascontiguousarray(images), "gt_bbox": boxes, "gt_class": labels, "pad_gt_mask": real}
    batch = {name: paddle.to_tensor(value) for name, value in given.items()}
    return {**batch, "im_id": paddle.arange(len(varied)).reshape([-1, 1])}


def _rate_at(step: int, steps: int, highest: float) -> float:
    """Learning rate: linear rise, then half a cosine down to one hundredth."""
    rise = min(1.0, (step + 1) / _WARM_STEPS)
    return highest * rise * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * step / steps)))


def _follow(mean: dict[str, Any], network: Any, step: int) -> None:
    """Move the running mean towards the network's weights and batch norm statistics."""
    keep = min(_DECAY, (1 + step) / (10 + step))
    for name, value in network.state_dict().items():
        mean[name] = mean[name] * keep + value.numpy() * (1 - keep)


def train(scenes: list[Scene], arguments: argparse.Namespace) -> dict[str, Any]:
    """Train and return the running mean of the weights; it is saved on the way, too."""
    paddle.seed(arguments.seed)
    rng = np.random.default_rng(arguments.seed)
    network = build_picodet(len(CLASSES))
    if arguments.start is not None:
        network.set_state_dict(paddle.load(str(arguments.start)))
    network.train()
    use_quick_depthwise(network)
    mean = {name: value.numpy() for name, value in network.state_dict().items()}
    optimizer = paddle.optimizer.AdamW(
        arguments.rate, parameters=network.parameters(), weight_decay=0.02, beta2=0.99,
        apply_decay_param_fun={value.name for value in network.parameters() if value.ndim > 1}.__contains__,
        grad_clip=paddle.nn.ClipGradByGlobalNorm(_LARGEST_GRADIENT),
    )  # fmt: skip
    start, recent = time.perf_counter(), 0.0
    frames = [_frame(side) for side in arguments.sides]
    for step in range(arguments.steps):
        optimizer.set_lr(_rate_at(step, arguments.steps, arguments.rate))
        chosen = [scenes[index] for index in rng.integers(len(scenes), size=arguments.batch)]
        batch = _batch(chosen, frames[min(len(frames) * step // arguments.steps, len(frames) - 1)], rng)
        # Targets by position at first: the task-aligned assigner needs predictions that are not random.
        batch["epoch_id"] = 0 if step < arguments.steps * 0.3 else 1
        network.inputs = batch
        loss = network.get_loss()["loss"]
        loss.backward()
        optimizer.step()
        optimizer.clear_grad()
        _follow(mean, network, step)
        recent += float(loss)
        if (step + 1) % 50 == 0:
            took = time.perf_counter() - start
            print(f"step {step + 1}/{arguments.steps}  loss {recent / 50:.3f}  {took:.0f} s", flush=True)
            recent = 0.0
        if (step + 1) % arguments.save_every == 0 or step + 1 == arguments.steps:
            paddle.save({name: paddle.to_tensor(value) for name, value in mean.items()}, str(arguments.weights))
    return mean


def export(network: Any, side: int, folder: Path) -> None:
    """Write `network` as PaddleDetection exports it: NMS in the program, infer_cfg.yml beside it."""
    folder.mkdir(parents=True, exist_ok=True)
    save(network, folder, side, ("image", "scale_factor"))
    infer_cfg.write(infer_cfg.picodet_config(list(CLASSES), side), folder)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, default=Path(__file__).resolve().parent / "detector", help="folder")
    parser.add_argument("--weights", type=Path, default=Path("picodet.pdparams"), help="file for the weights")
    parser.add_argument("--start", type=Path, help="saved weights to go on from")
    parser.add_argument("--first-scene", type=int, default=TRAINING_SEED, help="seed of the first training scene")
    parser.add_argument("--scenes", type=int, default=1500, help="training scenes (0.9 MB of memory each)")
    parser.add_argument("--sides", type=int, nargs="+", default=[192, 192, 192, 256], help="input sides in turn")
    parser.add_argument("--steps", type=int, default=5600)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--rate", type=float, default=2e-3, help="highest learning rate")
    parser.add_argument("--save-every", type=int, default=250, help="steps")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


def main() -> None:
    """Make the scenes, train, measure."""
    arguments = _arguments()
    cv2.setNumThreads(1)
    start = time.perf_counter()
    scenes = make_scenes(arguments.first_scene, arguments.scenes, arguments.threads)
    print(f"{len(scenes)} scenes in {time.perf_counter() - start:.0f} s", flush=True)
    side = arguments.sides[-1]
    network = build_picodet(len(CLASSES), side)
    network.set_state_dict(train(scenes, arguments))
    ap, ap50 = average_precision(network, side)
    print(f"AP {ap:.1f}  AP50 {ap50:.1f} on the demo's evaluation images", flush=True)
    export(network, side, arguments.output)
    print(f"done in {time.perf_counter() - start:.0f} s", flush=True)


if __name__ == "__main__":
    main()
