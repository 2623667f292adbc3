"""Remedies, one a file, in the order in which they are tried: what costs nothing at run time first."""

from edgewright.repair.remedies import (  # noqa: I001 - the order of import is the order of the registry
    rewriting,
    float_tail,
    ranges,
    biases,
    rounding,
)
from edgewright.repair.remedies.base import KINDS, REMEDIES, Kind, Remedy

__all__ = ["KINDS", "REMEDIES", "Kind", "Remedy", "biases", "float_tail", "ranges", "rewriting", "rounding"]
