"""Causes of quantisation error, one rule a file."""

from edgewright.diagnose.causes import (
    beyond_precision,
    blocked_fusion,
    carried,
    clipped,
    few_levels,
    flattened,
    float16_overflow,
    mixed_join,
    mixed_operands,
    outlier_activations,
    uneven_weights,
    unstable_ranges,
    weight_error,
)
from edgewright.diagnose.causes.base import CAUSES, CauseContext, damage_of, run_causes
from edgewright.diagnose.causes.say import REMEDIES

__all__ = [
    "CAUSES",
    "REMEDIES",
    "CauseContext",
    "beyond_precision",
    "blocked_fusion",
    "carried",
    "clipped",
    "damage_of",
    "few_levels",
    "flattened",
    "float16_overflow",
    "mixed_join",
    "mixed_operands",
    "outlier_activations",
    "run_causes",
    "uneven_weights",
    "unstable_ranges",
    "weight_error",
]
