"""Stages of an analysis: what each tensor loses, what that does to the outputs, and what 16 bits would leave of it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgewright.diagnose.causes import CauseContext, run_causes
from edgewright.diagnose.effects import TensorEffects, tensor_effects
from edgewright.diagnose.floor import Floor, measure_floor
from edgewright.diagnose.layer_errors import layer_errors, with_effects
from edgewright.diagnose.tensor_error import TensorError
from edgewright.findings import Finding
from edgewright.graph.model import Model
from edgewright.graph.reference import Feeds
from edgewright.quant.plan import PrecisionPlan
from edgewright.tensors import Part
from edgewright.workflow.calibrated import Calibrated
from edgewright.workflow.inputs import ImageFiles
from edgewright.workflow.measured import Task, network_inputs
from edgewright.workflow.progress import Progress
from edgewright.workflow.run_dir import RunDir

TENSOR_IMAGES = 32
"""Images that the error of each tensor is summed over: relative errors are the same to two digits with half of them."""
EFFECT_IMAGES = 12
"""Images that derivatives are taken on."""
FLOOR_IMAGES = 12
"""Images on which every op is tried in 16 bits."""
SEED = 0


@dataclass(frozen=True)
class Subject:
    """What is diagnosed, and where results are kept.

    Attributes:
        run, key, progress: see `workflow.deploy`.
        source: the model as the user gave it.
        calibrated: the prepared model, and statistics with histograms.
        plan: what the target is expected to make of `asked`: what is emulated, and what errors are told of.
        asked: the plan as made, before any repair.
        wide: the same with 16 bits for every op; None where the target has none.
        leaders: tensor that owns the grid of another one, by name.
        task, images: what is measured, on what.
    """

    run: RunDir
    key: Mapping[str, Any]
    progress: Progress
    source: Model
    calibrated: Calibrated
    plan: PrecisionPlan
    asked: PrecisionPlan
    wide: PrecisionPlan | None
    leaders: Mapping[str, str]
    task: Task
    images: ImageFiles

    @property
    def model(self) -> Model:
        """The prepared model."""
        return self.calibrated.model

    def feeds(self, most: int) -> Iterable[Feeds]:
        """Network inputs of at most so many evaluation images."""
        return network_inputs(self.images.spread(most), self.task)

    def count(self, most: int) -> int:
        """How many these are."""
        return min(most, len(self.images.paths))

    def stage_key(self, most: int, **more: Any) -> dict[str, Any]:
        """What a result on so many images depends on."""
        return {
            **self.key,
            "prepared": self.model.digest,
            "plan": self.plan.digest,
            "head": self.task.head.to_json(),
            "contract": self.task.contract.model_dump(mode="json"),
            "images": self.images.spread(most).key,
            **more,
        }


def floor_stage(subject: Subject) -> Floor:
    """What is left of each part's error with every op in 16 bits."""

    def compute(folder: Path) -> dict[str, Any]:
        del folder
        with subject.progress.step("every op in 16 bits"):
            feeds = subject.feeds(FLOOR_IMAGES)
            found = measure_floor(subject.model, subject.wide, subject.task.head.parts, feeds)
        return {"parts": found.parts, "silent": list(found.silent)}

    wide = None if subject.wide is None else subject.wide.digest
    data = subject.run.stage("floor", subject.stage_key(FLOOR_IMAGES, wide=wide), compute).data
    return Floor(data["parts"], tuple(data["silent"]))


def errors_stage(subject: Subject, channels: Sequence[str]) -> tuple[TensorError, ...]:
    """Errors of every tensor with a grid, without effects.

    Args:
        channels: tensors whose channels are told apart.
    """

    def compute(folder: Path) -> dict[str, Any]:
        del folder
        with subject.progress.step("error of each tensor", subject.count(TENSOR_IMAGES)) as advance:
            errors = layer_errors(
                subject.model,
                subject.source,
                subject.plan,
                subject.feeds(TENSOR_IMAGES),
                channels=channels,
                on_image=lambda _: advance(),
            )
        return {"tensors": [error.to_json() for error in errors]}

    data = subject.run.stage("tensor errors", subject.stage_key(TENSOR_IMAGES, channels=list(channels)), compute).data
    return tuple(TensorError.from_json(error) for error in data["tensors"])


def effects_stage(subject: Subject, silent: Sequence[str]) -> TensorEffects:
    """What each op does to each part by itself.

    Args:
        silent: parts that nothing can be told relative to.
    """
    parts = _followed(subject, silent)

    def compute(folder: Path) -> dict[str, Any]:
        del folder
        with subject.progress.step("effect on the outputs"):
            feeds = subject.feeds(EFFECT_IMAGES)
            found = tensor_effects(subject.model, subject.plan, subject.leaders, parts, feeds, seed=SEED)
        tables = {name: dict(table) for name, table in found.parts.items()}
        return {"parts": tables, "unknown": list(found.unknown), "stops": list(found.stops)}

    if not parts:
        return TensorEffects({}, (), ())
    key = subject.stage_key(EFFECT_IMAGES, parts=[part.to_json() for part in parts], seed=SEED)
    data = subject.run.stage("tensor effects", key, compute).data
    return TensorEffects(data["parts"], tuple(data["unknown"]), tuple(data["stops"]))


def causes_of(
    subject: Subject,
    errors: Iterable[TensorError],
    floor: Mapping[str, float | None],
    parts: Mapping[str, float | None],
    noticed: Mapping[str, float],
) -> list[Finding]:
    """Why each tensor loses what it loses, worst first.

    Args:
        errors: with effects.
        floor, parts: relative L2 of each part at 16 bits and as planned; None: not finite.
        noticed: relative L2 of each part from which on the task notices.
    """
    calibrated = subject.calibrated
    return run_causes(
        CauseContext(
            model=subject.model,
            profile=calibrated.profile,
            plan=subject.plan,
            statistics=calibrated.statistics,
            errors={error.tensor: error for error in errors},
            leaders=subject.leaders,
            floor=_finite_or_inf(floor),
            parts=_finite_or_inf(parts),
            noticed=noticed,
        )
    )


def joined(errors: Iterable[TensorError], effects: TensorEffects) -> tuple[TensorError, ...]:
    """Errors with what they do to the parts."""
    return with_effects(errors, effects.parts)


def _followed(subject: Subject, silent: Sequence[str]) -> list[Part]:
    """Parts that a derivative can be taken of, and an error be told relative to."""
    specs = {spec.name: spec for spec in subject.model.outputs}
    return [
        part
        for part in subject.task.head.parts
        if part.name not in silent and specs[part.output].dtype == "float32" and specs[part.output].is_static
    ]


def _finite_or_inf(values: Mapping[str, float | None]) -> dict[str, float]:
    return {name: math.inf if value is None else value for name, value in values.items()}
