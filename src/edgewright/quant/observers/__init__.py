"""Observers: ways to take a range from what calibration saw. One file each, registered in `OBSERVERS`."""

from edgewright.quant.observers import entropy, minmax, mse, percentile
from edgewright.quant.observers.base import OBSERVERS, Observer, parse_observer

__all__ = ["OBSERVERS", "Observer", "entropy", "minmax", "mse", "parse_observer", "percentile"]
