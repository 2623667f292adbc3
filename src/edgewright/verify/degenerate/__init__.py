"""Degenerate outputs: one rule a file, in the order in which they are asked."""

from edgewright.verify.degenerate import (  # noqa: I001 - the first rule that answers wins, so order matters
    non_finite,
    zero,
    constant,
    input_independent,
    saturated,
    few_levels,
)
from edgewright.verify.degenerate.base import RULES, PartView, Watch, first_finding
from edgewright.verify.degenerate.no_detection import no_detection
from edgewright.verify.degenerate.source import SOURCE, source_findings

__all__ = [
    "RULES",
    "SOURCE",
    "PartView",
    "Watch",
    "constant",
    "few_levels",
    "first_finding",
    "input_independent",
    "no_detection",
    "non_finite",
    "saturated",
    "source_findings",
    "zero",
]
