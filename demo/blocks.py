"""Building blocks of the demo detector. Maps are (batch, channels, rows, columns)."""

# mypy: disable-error-code="misc"
# Where torch is not installed its classes are of no known type, which strict mypy forbids to subclass.

from __future__ import annotations

import torch
from torch import Tensor, nn


class ConvUnit(nn.Module):
    """Convolution, batch norm, SiLU; `groups` equal to the channels makes it depthwise."""

    def __init__(self, inputs: int, outputs: int, kernel: int = 1, stride: int = 1, groups: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False)
        self.bn = nn.BatchNorm2d(outputs, eps=1e-3, momentum=0.03)
        self.act = nn.SiLU()

    def forward(self, images: Tensor) -> Tensor:
        """(batch, inputs, h, w) to (batch, outputs, h / stride, w / stride)."""
        result: Tensor = self.act(self.bn(self.conv(images)))
        return result


class Residual(nn.Module):
    """Two 3 x 3 convolutions, with a shortcut where `shortcut`."""

    def __init__(self, channels: int, shortcut: bool) -> None:
        super().__init__()
        self.cv1 = ConvUnit(channels, channels, 3)
        self.cv2 = ConvUnit(channels, channels, 3)
        self.shortcut = shortcut

    def forward(self, maps: Tensor) -> Tensor:
        """(batch, channels, h, w) to the same shape."""
        result: Tensor = self.cv2(self.cv1(maps))
        return maps + result if self.shortcut else result


class SplitBlock(nn.Module):
    """Half the channels pass through one `Residual`; both halves and its result are joined."""

    def __init__(self, inputs: int, outputs: int, shortcut: bool = True) -> None:
        super().__init__()
        half = outputs // 2
        self.width = half
        self.cv1 = ConvUnit(inputs, 2 * half)
        self.block = Residual(half, shortcut)
        self.cv2 = ConvUnit(3 * half, outputs)

    def forward(self, maps: Tensor) -> Tensor:
        """(batch, inputs, h, w) to (batch, outputs, h, w)."""
        first, second = self.cv1(maps).split(self.width, 1)
        result: Tensor = self.cv2(torch.cat((first, second, self.block(second)), 1))
        return result


class Downsample(nn.Module):
    """Halves the grid cheaply: 1 x 1 to the new width, then a depthwise 3 x 3 of stride 2."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.cv1 = ConvUnit(inputs, outputs)
        self.cv2 = ConvUnit(outputs, outputs, 3, 2, groups=outputs)

    def forward(self, maps: Tensor) -> Tensor:
        """(batch, inputs, h, w) to (batch, outputs, h / 2, w / 2)."""
        result: Tensor = self.cv2(self.cv1(maps))
        return result


class PoolPyramid(nn.Module):
    """Joins the map with two max-pooled copies, so that a cell of stride 32 sees large objects whole."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        half = channels // 2
        self.cv1 = ConvUnit(channels, half)
        self.pool = nn.MaxPool2d(5, 1, 2)
        self.cv2 = ConvUnit(3 * half, channels)

    def forward(self, maps: Tensor) -> Tensor:
        """(batch, channels, h, w) to the same shape."""
        first = self.cv1(maps)
        second = self.pool(first)
        result: Tensor = self.cv2(torch.cat((first, second, self.pool(second)), 1))
        return result
