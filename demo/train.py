"""Trains the demo detector on made-up scenes, exports it to ONNX and writes the images.

`python -m demo.train`, from the root of the repository. README.md gives the two calls that made
the shipped detector and how long they took. Needs torch and onnx besides NumPy and OpenCV.
"""

from __future__ import annotations

import argparse
import copy
import math
import time
import warnings
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import torch
from torch import nn

from demo.augment import Frame, make_scenes
from demo.batches import make_batch
from demo.dataset import TRAINING_SEED, write_dataset
from demo.losses import detection_loss
from demo.network import Detector
from demo.scenes import Scene
from demo.shapes import CLASSES

INPUT_SIDE = 512  # pixels
# Small frames are cheap and teach the shapes; the last steps see what the deployed detector sees.
COARSE = Frame(side=320, scales=(0.5, 0.9), shift=0.3)
FINE = Frame(side=INPUT_SIDE, scales=(0.7, 0.9), shift=0.06)
_DECAY = 0.998  # of the running mean of the weights
_WARM_STEPS = 100
_LARGEST_GRADIENT = 10.0


class Plan(NamedTuple):
    """How long and how fast to train."""

    coarse_steps: int
    fine_steps: int
    batch: int
    rate: float

    @property
    def steps(self) -> int:
        """All steps together."""
        return self.coarse_steps + self.fine_steps


def _optimizer(network: nn.Module, rate: float) -> torch.optim.AdamW:
    """AdamW; weight decay for kernels only, as it keeps their range, hence the int8 step, small."""
    kernels = [value for value in network.parameters() if value.requires_grad and value.ndim > 1]
    others = [value for value in network.parameters() if value.requires_grad and value.ndim <= 1]
    groups = [{"params": kernels, "weight_decay": 0.03}, {"params": others, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=rate, betas=(0.9, 0.99))


def _rate_at(step: int, plan: Plan) -> float:
    """Learning rate: linear rise, then half a cosine down to one hundredth."""
    rise = min(1.0, (step + 1) / _WARM_STEPS)
    fall = 0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * step / plan.steps))
    return plan.rate * rise * fall


def _follow(mean: nn.Module, network: nn.Module, step: int) -> None:
    """Move the running mean towards the network's weights and batch norm statistics."""
    keep = min(_DECAY, (1 + step) / (10 + step))
    # The values of a state dict are detached: nothing here is recorded for gradients.
    for old, new in zip(mean.state_dict().values(), network.state_dict().values(), strict=True):
        if old.is_floating_point():
            old.mul_(keep).add_(new, alpha=1 - keep)
        else:
            old.copy_(new)


def _store(network: nn.Module, layout: torch.memory_format) -> None:
    """Lay the kernels of all convolutions out in memory as `layout`; channels last is quicker on a CPU."""
    for value in network.parameters():
        if value.ndim == 4:
            value.data = value.data.contiguous(memory_format=layout)


def train(scenes: list[Scene], plan: Plan, seed: int, start_from: Path | None = None) -> Detector:
    """Train on `scenes`, at will from saved weights, and return the mean network in evaluation mode."""
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    network = Detector(len(CLASSES))
    if start_from is not None:
        network.load_state_dict(torch.load(start_from, weights_only=True))
    _store(network, torch.channels_last)
    mean: Detector = copy.deepcopy(network)
    mean.eval()
    optimizer = _optimizer(network, plan.rate)
    start, recent = time.perf_counter(), 0.0
    for step in range(plan.steps):
        for group in optimizer.param_groups:
            group["lr"] = _rate_at(step, plan)
        chosen = [scenes[index] for index in rng.integers(len(scenes), size=plan.batch)]
        images, truth = make_batch(chosen, COARSE if step < plan.coarse_steps else FINE, rng)
        loss = detection_loss(network.head.maps(network.levels(images)), truth)
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        nn.utils.clip_grad_norm_(network.parameters(), _LARGEST_GRADIENT)
        optimizer.step()
        _follow(mean, network, step)
        recent += loss.item()
        if (step + 1) % 50 == 0:
            seconds = time.perf_counter() - start
            print(f"step {step + 1}/{plan.steps}  loss {recent / 50:.3f}  {seconds:.0f} s", flush=True)
            recent = 0.0
    return mean


def export(network: Detector, path: Path) -> None:
    """Write `network` as ONNX: `images` 1 x 3 x 512 x 512 to `output0` 1 x (4 + classes) x 5376."""
    images = torch.zeros(1, 3, INPUT_SIDE, INPUT_SIDE)
    network.eval()
    _store(network, torch.contiguous_format)
    with torch.no_grad(), warnings.catch_warnings():
        # The tracer warns that shapes become constants, which is what a fixed input asks for.
        warnings.simplefilter("ignore")
        network(images)  # fills the cache of `grid`, which the trace then takes as constants
        torch.onnx.export(
            network, (images,), str(path), input_names=["images"], output_names=["output0"],
            opset_version=17, do_constant_folding=True, dynamo=False,
        )  # fmt: skip


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, default=Path(__file__).resolve().parent, help="folder for what is made")
    parser.add_argument("--weights", type=Path, help="also save the PyTorch weights here")
    parser.add_argument("--start", type=Path, help="saved weights to go on from")
    parser.add_argument("--first-scene", type=int, default=TRAINING_SEED, help="seed of the first training scene")
    parser.add_argument("--scenes", type=int, default=2500, help="training scenes (0.9 MB of memory each)")
    parser.add_argument("--coarse-steps", type=int, default=4600, help="steps at 320 x 320")
    parser.add_argument("--fine-steps", type=int, default=400, help="steps at 512 x 512")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--rate", type=float, default=3e-3, help="highest learning rate")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


def main() -> None:
    """Make the scenes, train, export, write the images."""
    arguments = _arguments()
    torch.set_num_threads(arguments.threads)
    torch.use_deterministic_algorithms(True)
    cv2.setNumThreads(1)
    start = time.perf_counter()
    scenes = make_scenes(arguments.first_scene, arguments.scenes, arguments.threads)
    print(f"{len(scenes)} scenes in {time.perf_counter() - start:.0f} s", flush=True)
    plan = Plan(arguments.coarse_steps, arguments.fine_steps, arguments.batch, arguments.rate)
    network = train(scenes, plan, arguments.seed, arguments.start)
    if arguments.weights is not None:
        torch.save(network.state_dict(), arguments.weights)
    arguments.output.mkdir(parents=True, exist_ok=True)
    export(network, arguments.output / "detector.onnx")
    write_dataset(arguments.output)
    print(f"done in {time.perf_counter() - start:.0f} s", flush=True)


if __name__ == "__main__":
    main()
