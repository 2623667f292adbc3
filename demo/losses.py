"""Training targets and losses of the demo detector: task-aligned assignment, CIoU, DFL, BCE.

Shapes: B images, G (padded) objects an image, N grid cells, C classes. Boxes are x1 y1 x2 y2,
in input pixels unless said otherwise.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from demo.network import REG_MAX, HeadMaps

_TOP_CELLS = 10  # cells at most that answer for one object
_SCORE_POWER, _OVERLAP_POWER = 0.5, 6.0  # alignment = score ** 0.5 * overlap ** 6
_BOX_WEIGHT, _BINS_WEIGHT, _CLASS_WEIGHT = 7.5, 1.5, 1.0
_TINY = 1e-7


class Truth(NamedTuple):
    """Objects of a batch, padded to the same number an image."""

    boxes: Tensor  # (B, G, 4), pixels
    labels: Tensor  # (B, G), int64
    real: Tensor  # (B, G), bool, False for padding


class Targets(NamedTuple):
    """What each cell should say."""

    boxes: Tensor  # (B, N, 4), pixels
    scores: Tensor  # (B, N, C), 0..1
    chosen: Tensor  # (B, N), bool, True where the cell answers for an object


def overlap(first: Tensor, second: Tensor) -> Tensor:
    """Plain IoU of broadcastable (..., 4) boxes."""
    size = (torch.minimum(first[..., 2:], second[..., 2:]) - torch.maximum(first[..., :2], second[..., :2])).clamp(0)
    shared = size.prod(-1)
    areas = (first[..., 2:] - first[..., :2]).prod(-1) + (second[..., 2:] - second[..., :2]).prod(-1)
    return shared / (areas - shared + _TINY)


def complete_overlap(first: Tensor, second: Tensor) -> Tensor:
    """CIoU: IoU less a penalty for distant centres and for a different aspect; (..., 4) to (...)."""
    iou = overlap(first, second)
    hull = torch.maximum(first[..., 2:], second[..., 2:]) - torch.minimum(first[..., :2], second[..., :2])
    shift = (first[..., :2] + first[..., 2:] - second[..., :2] - second[..., 2:]) / 2
    distance = shift.square().sum(-1) / (hull.square().sum(-1) + _TINY)
    (w1, h1), (w2, h2) = ((box[..., 2:] - box[..., :2]).unbind(-1) for box in (first, second))
    aspect = (4 / math.pi**2) * (torch.atan(w2 / (h2 + _TINY)) - torch.atan(w1 / (h1 + _TINY))).square()
    with torch.no_grad():
        weight = aspect / (1 - iou + aspect + _TINY)
    return iou - distance - weight * aspect


def assign(scores: Tensor, boxes: Tensor, centres: Tensor, truth: Truth) -> Targets:
    """Give each object the cells inside it that already score and overlap best.

    scores (B, N, C) 0..1 and boxes (B, N, 4) are detached predictions; centres (N, 2) are cell centres in pixels.
    """
    low, high = truth.boxes[:, :, None, :2], truth.boxes[:, :, None, 2:]
    inside = torch.minimum(centres - low, high - centres).amin(-1) > 0  # (B, G, N)
    allowed = inside & truth.real[..., None]
    iou = overlap(truth.boxes[:, :, None], boxes[:, None]) * allowed
    index = truth.labels[..., None].expand(-1, -1, scores.shape[1])
    own_score = scores.transpose(1, 2).gather(1, index)  # (B, G, N)
    # The small term ranks cells before any prediction overlaps: else no object gets a cell at first.
    alignment = (own_score**_SCORE_POWER * iou**_OVERLAP_POWER + 1e-9) * allowed
    best = alignment.topk(_TOP_CELLS, dim=-1)
    picked = torch.zeros_like(alignment).scatter_(-1, best.indices, 1.0).bool() & allowed
    owner = (iou + 1e-6).masked_fill(~picked, -1).argmax(1)  # (B, N): a cell in two objects takes the closer
    mine = picked & (torch.arange(picked.shape[1])[None, :, None] == owner[:, None])
    chosen = mine.any(1)
    alignment = alignment * mine
    # Each object's best cell is asked for the overlap it reached, the others for their share of that.
    share = alignment * (iou * mine).amax(-1, keepdim=True) / (alignment.amax(-1, keepdim=True) + 1e-12)
    level = share.amax(1)  # (B, N)
    labels = truth.labels.gather(1, owner)
    target_scores = functional.one_hot(labels, scores.shape[2]) * (level * chosen)[..., None]
    target_boxes = truth.boxes.gather(1, owner[..., None].expand(-1, -1, 4))
    return Targets(target_boxes, target_scores, chosen)


def _bins_loss(logits: Tensor, distances: Tensor) -> Tensor:
    """Cross entropy of (n, 4, REG_MAX) logits with the two bins round each (n, 4) distance; (n,)."""
    wanted = distances.clamp(0, REG_MAX - 1 - 0.01)
    left = wanted.floor().long()
    upper = wanted - left
    flat = logits.reshape(-1, REG_MAX)
    below = functional.cross_entropy(flat, left.flatten(), reduction="none").view_as(wanted)
    above = functional.cross_entropy(flat, left.flatten() + 1, reduction="none").view_as(wanted)
    return (below * (1 - upper) + above * upper).mean(-1)


def detection_loss(maps: HeadMaps, truth: Truth) -> Tensor:
    """Weighted sum of the three losses, a scalar, per unit of target score."""
    batch, _, cells = maps.sides.shape
    sides = maps.sides.float().view(batch, 4, REG_MAX, cells).permute(0, 3, 1, 2)  # (B, N, 4, bins)
    logits = maps.logits.float().transpose(1, 2)  # (B, N, C)
    distances = sides.softmax(-1) @ torch.arange(REG_MAX, dtype=torch.float32)  # (B, N, 4), in cells
    anchors, strides = maps.anchors.T, maps.strides.T  # (N, 2), (N, 1)
    low, high = anchors - distances[..., :2], anchors + distances[..., 2:]
    boxes = torch.cat((low, high), -1) * strides
    targets = assign(logits.sigmoid().detach(), boxes.detach(), anchors * strides, truth)
    total = targets.scores.sum().clamp(min=1)
    class_loss = functional.binary_cross_entropy_with_logits(logits, targets.scores, reduction="sum") / total
    chosen = targets.chosen
    if not bool(chosen.any()):
        return _CLASS_WEIGHT * class_loss
    weight = targets.scores.sum(-1)[chosen]
    box_loss = ((1 - complete_overlap(boxes[chosen], targets.boxes[chosen])) * weight).sum() / total
    wanted = targets.boxes / strides
    wanted = torch.cat((anchors - wanted[..., :2], wanted[..., 2:] - anchors), -1)
    bins_loss = (_bins_loss(sides[chosen], wanted[chosen]) * weight).sum() / total
    return _BOX_WEIGHT * box_loss + _BINS_WEIGHT * bins_loss + _CLASS_WEIGHT * class_loss
