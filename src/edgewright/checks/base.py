"""Static rules: what can be known before an image of the evaluation set is run."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from numpy.typing import NDArray

from edgewright.findings import Finding
from edgewright.graph.model import Model
from edgewright.quant.plan import PrecisionPlan
from edgewright.quant.statistics import TensorStatistics
from edgewright.registry import Registry


@dataclass(frozen=True)
class ImageSet:
    """What data rules know of a set of images.

    Attributes:
        names: file names.
        digests: SHA-256 of each file's bytes, in the same order.
        constant: names of images in which every pixel is alike.
        skipped: files that could not be read and were left out, with the reason.
    """

    names: tuple[str, ...]
    digests: tuple[str, ...]
    constant: tuple[str, ...] = ()
    skipped: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class CheckContext:
    """Everything a rule may look at; a rule whose material is missing has nothing to say.

    Attributes:
        model: the prepared model.
        plan: the plan that is about to be built.
        leaders: tensor whose statistics stand for another one's, by name (shared grids).
        statistics: what calibration saw.
        samples: network inputs of a few calibration images.
        calibration, evaluation: the image sets.
    """

    model: Model | None = None
    plan: PrecisionPlan | None = None
    leaders: Mapping[str, str] = field(default_factory=dict)
    statistics: Mapping[str, TensorStatistics] = field(default_factory=dict)
    samples: Sequence[Mapping[str, NDArray[Any]]] = ()
    calibration: ImageSet | None = None
    evaluation: ImageSet | None = None


Check = Callable[[CheckContext], list[Finding]]
CHECKS: Registry[Check] = Registry("check")


def run_checks(context: CheckContext, names: Sequence[str] | None = None) -> list[Finding]:
    """Findings of all rules, or of the named ones, in order."""
    wanted = CHECKS.names() if names is None else names
    return [finding for name in wanted for finding in CHECKS.get(name)(context)]
