"""Everything that was seen: nothing is clipped, and one outlier sets the step."""

from __future__ import annotations

from edgewright.quant.observers.base import OBSERVERS, exact_range, no_parameter
from edgewright.quant.statistics import Range, TensorStatistics


class MinMax:
    """The exact range, widened to hold 0."""

    name = "minmax"
    needs_histogram = False

    def range(self, stats: TensorStatistics, levels: int, symmetric: bool) -> Range:  # noqa: ARG002
        """See `Observer.range`."""
        return exact_range(stats, symmetric)

    def with_parameter(self, text: str) -> MinMax:
        """See `Observer.with_parameter`."""
        raise no_parameter(self.name, text)


OBSERVERS.add("minmax", MinMax())
