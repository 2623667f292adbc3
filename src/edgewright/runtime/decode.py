"""From the real outputs of one image to what they mean."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Union

from numpy.typing import NDArray

from edgewright.errors import BundleError, UserError
from edgewright.tasks.base import FAMILIES, DecodeSettings, Head, HeadFamily

if TYPE_CHECKING:
    from edgewright.tasks.classification import Classes
    from edgewright.tasks.detection.detections import Detections
    from edgewright.tasks.keypoints.keypoints import Keypoints

Outputs = Mapping[str, NDArray[Any]]
Prediction = Union["Detections", "Keypoints", "Classes", Outputs]


def family_of(head: Head, where: str) -> HeadFamily | None:
    """The family that decodes `head`; None for a head without a known meaning.

    Raises:
        BundleError: this Edgewright has no such family, or the head's task is not that of its family.
    """
    import edgewright.tasks  # noqa: F401 - enters the families into their registry

    if head.task == "tensors":
        return None
    try:
        family = FAMILIES.get(head.family)
    except UserError as error:
        raise BundleError(
            f"this Edgewright cannot decode {head.family!r} outputs",
            where=where,
            why=error.what,
            todo="update Edgewright: pip install --upgrade edgewright",
        ) from error
    if family.task != head.task or family.task not in ("detection", "keypoints", "classification"):
        raise BundleError(f"the head {head.family!r} is for {family.task}, the manifest says {head.task}", where=where)
    return family


def merged(settings: DecodeSettings, confidence: float | None, iou: float | None) -> DecodeSettings:
    """The settings with what the caller chose.

    Raises:
        UserError: a confidence outside 0..1, or a negative overlap.
    """
    if confidence is not None and not 0 <= confidence <= 1:
        raise UserError(f"confidence must lie in 0..1, but got {confidence}")
    if iou is not None and not 0 <= iou < math.inf:
        raise UserError(f"iou must be 0 or more, but got {iou}")
    return dataclasses.replace(
        settings,
        confidence=settings.confidence if confidence is None else confidence,
        iou=settings.iou if iou is None else iou,
    )
