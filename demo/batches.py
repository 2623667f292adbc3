"""Training batches: cached scenes, moved, scaled, mirrored and recoloured at random."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from demo.augment import Frame, place, vary
from demo.losses import Truth
from demo.scenes import Scene


def make_batch(scenes: list[Scene], frame: Frame, rng: np.random.Generator) -> tuple[Tensor, Truth]:
    """Images (B, 3, side, side), RGB, 0..1, of the given scenes, and their padded objects."""
    varied = [vary(place(scene, frame, rng), rng) for scene in scenes]
    pixels = np.stack([scene.image[..., ::-1] for scene in varied])
    images = torch.from_numpy(pixels).permute(0, 3, 1, 2).float().div_(255)
    most = max(1, *(len(scene.labels) for scene in varied))
    boxes = torch.zeros(len(varied), most, 4)
    labels = torch.zeros(len(varied), most, dtype=torch.int64)
    real = torch.zeros(len(varied), most, dtype=torch.bool)
    for row, scene in enumerate(varied):
        count = len(scene.labels)
        boxes[row, :count] = torch.from_numpy(scene.boxes)
        labels[row, :count] = torch.from_numpy(scene.labels)
        real[row, :count] = True
    return images.contiguous(memory_format=torch.channels_last), Truth(boxes, labels, real)
