"""The way from a detector's outputs to detections on the image, common to all families."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgewright.data.contract import Contract, Placement
from edgewright.kernels.boxes import corners, to_image, usable
from edgewright.tasks.base import DecodeSettings, Head, HeadFamily
from edgewright.tasks.detection.detections import Detections, check_columns
from edgewright.tasks.detection.nms import descending, nms

__all__ = ["Candidates", "corners", "decode_image", "in_image", "select", "suppress"]


@dataclass(frozen=True)
class Candidates:
    """Boxes before suppression; one box may appear once for each class that it may belong to.

    Attributes:
        xyxy: corners, (n, 4) float32, network pixels.
        scores: (n,) float32, 0..1.
        class_ids: (n,) int64, from 0.
    """

    xyxy: NDArray[np.float32]
    scores: NDArray[np.float32]
    class_ids: NDArray[np.int64]

    def __post_init__(self) -> None:
        check_columns(self.xyxy, self.scores, self.class_ids)

    def __len__(self) -> int:
        return len(self.xyxy)

    def usable(self) -> Candidates:
        """Without boxes that are none: corners or score not finite, right of left, top below bottom."""
        good = usable(self.xyxy, self.scores)
        return self if good is None else Candidates(self.xyxy[good], self.scores[good], self.class_ids[good])


def select(
    scores: NDArray[np.float32], settings: DecodeSettings
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]:
    """The best scores that pass the threshold, before any box is computed.

    Args:
        scores: (classes, anchors); NaN passes no threshold.
        settings: `confidence` and `max_candidates` are used.

    Returns:
        Class ids, anchors and scores, (n,) each, best first.
    """
    with np.errstate(invalid="ignore"):
        flat = np.flatnonzero(scores >= settings.confidence)
    values = np.asarray(scores[flat // scores.shape[1], flat % scores.shape[1]], np.float32)
    order = descending(values, settings.max_candidates)
    flat = flat[order]
    return flat // scores.shape[1], flat % scores.shape[1], values[order]


def suppress(candidates: Candidates, settings: DecodeSettings, names: Sequence[str] = ()) -> Detections:
    """Candidates after non-maximum suppression by class, in network pixels, best first."""
    if len(candidates) > settings.max_candidates:
        best = descending(candidates.scores, settings.max_candidates)
        candidates = Candidates(candidates.xyxy[best], candidates.scores[best], candidates.class_ids[best])
    good = candidates.usable()
    kept = nms(good.xyxy, good.scores, good.class_ids, settings.iou, settings.max_results)
    return Detections(good.xyxy[kept], good.scores[kept], good.class_ids[kept], names)


def decode_image(
    family: HeadFamily,
    outputs: Mapping[str, NDArray[Any]],
    head: Head,
    contract: Contract,
    settings: DecodeSettings,
    placement: Placement,
    names: Sequence[str] = (),
) -> Detections:
    """Outputs of one image to detections in image pixels, best score first.

    Args:
        family: a detection family, whose `decode` gives `Candidates`.
        outputs: by output name, batch 1.
        head: what `recognise` found.
        contract: size of the network input.
        settings: thresholds.
        placement: where the image lies in the network input.
        names: class names, by class id.
    """
    return in_image(suppress(family.decode(outputs, head, contract, settings), settings, names), placement, settings)


def in_image(found: Detections, placement: Placement, settings: DecodeSettings) -> Detections:
    """Detections from network pixels to pixels of the image."""
    limit = (placement.width, placement.height) if settings.clip else None
    scale, pad = (placement.scale_x, placement.scale_y), (placement.pad_x, placement.pad_y)
    return Detections(to_image(found.xyxy, scale, pad, limit), found.scores, found.class_ids, found.names)
