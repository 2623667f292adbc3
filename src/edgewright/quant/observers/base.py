"""What an observer is, and how it is chosen by name."""

from __future__ import annotations

from typing import Protocol

from edgewright.errors import UserError
from edgewright.quant.statistics import Range, StreamingHistogram, TensorStatistics
from edgewright.registry import Registry


class Observer(Protocol):
    """Takes the range of a tensor from its statistics.

    Attributes:
        name: how a user spells it, with its parameter where it is not the default.
        needs_histogram: whether statistics must come with a histogram.
    """

    @property
    def name(self) -> str: ...  # noqa: D102

    @property
    def needs_histogram(self) -> bool: ...  # noqa: D102

    def range(self, stats: TensorStatistics, levels: int, symmetric: bool) -> Range:
        """Range to quantise, low <= 0 <= high.

        Args:
            stats: what calibration saw.
            levels: number of codes of the grid, 256 or 65536.
            symmetric: the range is to be -a..a.

        Raises:
            ValueError: a histogram is needed and there is none.
        """
        ...

    def with_parameter(self, text: str) -> Observer:
        """The same kind of observer with another parameter ("99.9").

        Raises:
            UserError: it takes none, or not this one.
        """
        ...


OBSERVERS: Registry[Observer] = Registry("observer")


def parse_observer(text: str) -> Observer:
    """The observer that is spelled "name" or "name:parameter".

    Raises:
        UserError: there is no such observer (the message names the nearest), or the parameter does not suit it.
    """
    name, colon, parameter = text.strip().partition(":")
    observer = OBSERVERS.get(name.strip().lower())
    return observer.with_parameter(parameter.strip()) if colon else observer


def no_parameter(name: str, text: str) -> UserError:
    """The error of an observer that takes no parameter."""
    return UserError(f"observer {name!r} takes no parameter, but got {text!r}", todo=f"write {name}")


def histogram_of(stats: TensorStatistics, observer: str) -> StreamingHistogram:
    """The histogram that `observer` needs.

    Raises:
        ValueError: there is none.
    """
    if stats.histogram is None:
        raise ValueError(f"observer {observer!r} needs a histogram of {stats.name!r}; collect with histogram=True")
    return stats.histogram


def exact_range(stats: TensorStatistics, symmetric: bool) -> Range:
    """Everything that was seen, with 0."""
    low, high = stats.range_with_zero
    if symmetric:
        high = max(-low, high)
        low = -high
    return low, high
