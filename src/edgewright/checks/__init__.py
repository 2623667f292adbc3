"""Static rules, one a file."""

from edgewright.checks import calibration_images, constant_tensor, mixed_range, non_finite, stability
from edgewright.checks.base import CHECKS, CheckContext, ImageSet, run_checks

__all__ = [
    "CHECKS",
    "CheckContext",
    "ImageSet",
    "calibration_images",
    "constant_tensor",
    "mixed_range",
    "non_finite",
    "run_checks",
    "stability",
]
