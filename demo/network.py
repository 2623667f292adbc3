"""The demo detector: a small convolutional network with an anchor-free head of the YOLOv8 type.

Input: 1 x 3 x S x S float32, RGB, 0..1, letterboxed (centred, padded with 114 / 255).
Output: 1 x (4 + classes) x N float32, N = the cells of the three grids together (5376 at S = 512).
Rows 0..3 are centre x, centre y, width, height in input pixels; the rest are class scores 0..1.
"""

# mypy: disable-error-code="misc"
# Where torch is not installed its classes are of no known type, which strict mypy forbids to subclass.

from __future__ import annotations

import math
from functools import cache
from typing import NamedTuple

import torch
from torch import Tensor, nn

from demo.blocks import ConvUnit, Downsample, PoolPyramid, SplitBlock

STRIDES = (8, 16, 32)  # input pixels per cell of each grid
REG_MAX = 16  # bins of a side's distance distribution, one per cell: a side reaches 15 strides


class HeadMaps(NamedTuple):
    """What the head's branches give before decoding, all three grids joined: N cells in total."""

    sides: Tensor  # (batch, 4 * REG_MAX, N), logits of left, top, right, bottom distances
    logits: Tensor  # (batch, classes, N)
    anchors: Tensor  # (2, N), cell centres in cells
    strides: Tensor  # (1, N), input pixels per cell


@cache
def grid(sizes: tuple[tuple[int, int], ...]) -> tuple[Tensor, Tensor]:
    """Cell centres (2, N), in cells, and strides (1, N), in pixels, of grids of (rows, columns).

    Cached, so that an export after a first run traces them as constants.
    """
    anchors, strides = [], []
    for (rows, columns), stride in zip(sizes, STRIDES, strict=True):
        y, x = torch.meshgrid(torch.arange(rows) + 0.5, torch.arange(columns) + 0.5, indexing="ij")
        anchors.append(torch.stack((x.flatten(), y.flatten())))
        strides.append(torch.full((1, rows * columns), float(stride)))
    return torch.cat(anchors, 1), torch.cat(strides, 1)


def _flat(maps: Tensor) -> Tensor:
    """(batch, channels, h, w) to (batch, channels, h * w), with plain numbers that an export keeps fixed."""
    return maps.reshape(int(maps.shape[0]), int(maps.shape[1]), int(maps.shape[2]) * int(maps.shape[3]))


class DistanceMean(nn.Module):
    """Mean of a softmax over REG_MAX bins, as a fixed 1 x 1 convolution with weights 0..15."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(REG_MAX, 1, 1, bias=False).requires_grad_(False)
        self.conv.weight.data[:] = torch.arange(REG_MAX, dtype=torch.float32).view(1, REG_MAX, 1, 1)

    def forward(self, sides: Tensor) -> Tensor:
        """(batch, 4 * REG_MAX, N) logits to (batch, 4, N) distances in cells."""
        batch, cells = int(sides.shape[0]), int(sides.shape[2])
        bins = sides.view(batch, 4, REG_MAX, cells).transpose(2, 1).softmax(1)
        result: Tensor = self.conv(bins)
        return result.view(batch, 4, cells)


def _branch(units: list[ConvUnit], outputs: int, bias: float) -> nn.Sequential:
    """`units`, the last of 32 channels, then a plain 1 x 1 convolution whose biases start at `bias`."""
    last = nn.Conv2d(32, outputs, 1)
    if last.bias is not None:
        nn.init.constant_(last.bias, bias)
    return nn.Sequential(*units, last)


class Head(nn.Module):
    """Decoupled head: a box branch (`cv2`) and a class branch (`cv3`) per grid, then the decoding."""

    def __init__(self, widths: tuple[int, int, int], classes: int) -> None:
        super().__init__()
        self.classes = classes
        self.cv2 = nn.ModuleList(
            _branch([ConvUnit(width, 32, 3), ConvUnit(32, 32, 3)], 4 * REG_MAX, bias=1.0) for width in widths
        )
        # Scores start near 1 %, else the many empty cells swamp the first steps.
        self.cv3 = nn.ModuleList(
            _branch(
                [
                    ConvUnit(width, width, 3, groups=width),
                    ConvUnit(width, 32),
                    ConvUnit(32, 32, 3, groups=32),
                    ConvUnit(32, 32),
                ],
                classes,
                bias=math.log(0.01 / 0.99),
            )
            for width in widths
        )
        self.dfl = DistanceMean()

    def maps(self, levels: list[Tensor]) -> HeadMaps:
        """Branch outputs of the three (batch, width, h, w) levels, flattened and joined."""
        sides = [_flat(box(level)) for level, box in zip(levels, self.cv2, strict=True)]
        logits = [_flat(score(level)) for level, score in zip(levels, self.cv3, strict=True)]
        anchors, strides = grid(tuple((int(level.shape[2]), int(level.shape[3])) for level in levels))
        return HeadMaps(torch.cat(sides, 2), torch.cat(logits, 2), anchors, strides)

    def forward(self, levels: list[Tensor]) -> Tensor:
        """Decoded output (batch, 4 + classes, N): cx, cy, w, h in input pixels, then scores."""
        maps = self.maps(levels)
        left_top, right_bottom = self.dfl(maps.sides).split(2, 1)
        low, high = maps.anchors - left_top, maps.anchors + right_bottom
        boxes = torch.cat(((low + high) / 2, high - low), 1) * maps.strides
        return torch.cat((boxes, maps.logits.sigmoid()), 1)


class Detector(nn.Module):
    """Backbone to strides 8, 16 and 32, a top-down and a bottom-up neck pass, and the head."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.stem = nn.Sequential(ConvUnit(3, 16, 3, 2), ConvUnit(16, 24, 3, 2), SplitBlock(24, 24))
        self.stage3 = nn.Sequential(ConvUnit(24, 48, 3, 2), SplitBlock(48, 48))
        self.stage4 = nn.Sequential(Downsample(48, 64), SplitBlock(64, 64))
        self.stage5 = nn.Sequential(Downsample(64, 72), SplitBlock(72, 72), PoolPyramid(72))
        self.up = nn.Upsample(scale_factor=2.0, mode="nearest")
        self.up4 = SplitBlock(72 + 64, 56, shortcut=False)
        self.up3 = SplitBlock(56 + 48, 40, shortcut=False)
        self.down3 = Downsample(40, 40)
        self.out4 = SplitBlock(40 + 56, 56, shortcut=False)
        self.down4 = Downsample(56, 56)
        self.out5 = SplitBlock(56 + 72, 72, shortcut=False)
        self.head = Head((40, 56, 72), classes)

    def levels(self, images: Tensor) -> list[Tensor]:
        """(batch, 3, S, S) images to the three maps that the head reads."""
        third = self.stage3(self.stem(images))
        fourth = self.stage4(third)
        fifth = self.stage5(fourth)
        fourth = self.up4(torch.cat((self.up(fifth), fourth), 1))
        third = self.up3(torch.cat((self.up(fourth), third), 1))
        fourth = self.out4(torch.cat((self.down3(third), fourth), 1))
        fifth = self.out5(torch.cat((self.down4(fourth), fifth), 1))
        return [third, fourth, fifth]

    def forward(self, images: Tensor) -> Tensor:
        """(batch, 3, S, S) images to the decoded output (batch, 4 + classes, N)."""
        result: Tensor = self.head(self.levels(images))
        return result
