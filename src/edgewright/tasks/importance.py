"""Where an error counts: a box matters as much as the network believes that there is an object in it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgewright.tensors import Part


def position_weights(parts: Sequence[Part], outputs: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[np.float32]]:
    """Weights of box parts by part name, broadcastable to the part: the confidence of each position.

    Thousands of anchors see background; what happens to their boxes changes nothing. The confidence is the product of
    the largest value of each probability part (objectness, scores) that lies beside the boxes in the same output. Parts
    that are missing here count everywhere alike.

    Args:
        parts: parts of one head.
        outputs: outputs of the float network.
    """
    weights: dict[str, NDArray[np.float32]] = {}
    for boxes in (part for part in parts if part.name.startswith("boxes")):
        beside = [part for part in parts if part.output == boxes.output and part.kind == "probability"]
        if beside and boxes.channel_axis is not None:
            largest = [part.take(outputs).max(axis=boxes.channel_axis, keepdims=True) for part in beside]
            confidence = np.clip(np.prod(largest, axis=0), 0.0, 1.0)
            weights[boxes.name] = np.asarray(confidence, np.float32)
    return weights


NOTICED = 0.05
"""Relative L2 of scores, masks or descriptors from which on a task notices."""
_BOX_NOTICED = 0.005
"""The same of boxes in pixels, which are relative to places in the image: at 640 pixels a box of 50 moves by 3."""


def noticed_of(parts: Iterable[Part]) -> dict[str, float]:
    """Relative L2 of each part, by name, from which on the task notices."""
    return {part.name: _BOX_NOTICED if part.kind == "boxes" else NOTICED for part in parts}


def part_weights(parts: Iterable[Part]) -> dict[str, float]:
    """Weights of squared relative errors of parts, by name, with which they can be added up: 1 for scores."""
    return {name: (NOTICED / noticed) ** 2 for name, noticed in noticed_of(parts).items()}
