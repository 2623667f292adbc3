"""Where the windows of a convolution or pooling lie: kernel, strides, dilations and pads as numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from edgewright.graph.adjoint.base import Step


@dataclass(frozen=True)
class Windows:
    """Windows over the spatial axes, one number an axis.

    Attributes:
        kernel, strides, dilations: as the operator has them.
        pads: zeros before the first entry of each axis.
        sizes: entries of each axis of the side that the windows lie on.
        counts: windows along each axis.
    """

    kernel: tuple[int, ...]
    strides: tuple[int, ...]
    dilations: tuple[int, ...]
    pads: tuple[int, ...]
    sizes: tuple[int, ...]
    counts: tuple[int, ...]

    @property
    def reach(self) -> tuple[int, ...]:
        """Entries from the first to the last that one window covers."""
        return tuple((k - 1) * d + 1 for k, d in zip(self.kernel, self.dilations, strict=True))

    @property
    def after(self) -> tuple[int, ...]:
        """Zeros that the last window of each axis needs behind the last entry; negative: entries that none covers."""
        return tuple(
            (count - 1) * stride + reach - before - size
            for count, stride, reach, before, size in zip(
                self.counts, self.strides, self.reach, self.pads, self.sizes, strict=True
            )
        )

    @property
    def overlap(self) -> bool:
        """Whether an entry may lie in several windows."""
        return any(reach > stride for reach, stride in zip(self.reach, self.strides, strict=True))


def windows(step: Step, kernel: Sequence[int], sizes: Sequence[int], counts: Sequence[int]) -> Windows:
    """The windows of a node, automatic padding resolved.

    Args:
        kernel: kernel size along each spatial axis.
        sizes: sizes of the padded side: the input of Conv and pooling, the output of ConvTranspose.
        counts: windows along each axis: sizes of the other side.

    Source: ONNX operators Conv and ConvTranspose, attribute auto_pad.
    """
    rank = len(kernel)
    strides = step.numbers("strides", (1,) * rank)
    dilations = step.numbers("dilations", (1,) * rank)
    before = step.numbers("pads", (0,) * (2 * rank))[:rank]
    auto = step.text("auto_pad", "NOTSET")
    found = Windows(tuple(kernel), strides, dilations, (0,) * rank, tuple(sizes), tuple(counts))
    if auto == "VALID":
        before = (0,) * rank
    elif auto in ("SAME_UPPER", "SAME_LOWER"):
        odd = 1 if auto == "SAME_LOWER" else 0
        before = tuple((max(0, total) + odd) // 2 for total in found.after)
    return Windows(found.kernel, strides, dilations, tuple(before), found.sizes, found.counts)
