"""A control through a target's toolchain: does the artifact compute what ONNX Runtime computes?"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from edgewright.data.contract import Contract, contract_for_model
from edgewright.diagnose.controls.base import CALIBRATION_SEED, EVALUATION_SEED, Control, pictures
from edgewright.errors import EdgewrightError
from edgewright.graph.model import Model
from edgewright.graph.prepare import prepare
from edgewright.graph.reference import ReferenceSession
from edgewright.graph.regions import head_outputs
from edgewright.graph.steps import PrepareOptions
from edgewright.quant.collect import collect_statistics
from edgewright.quant.layout import default_precisions, observable
from edgewright.quant.observers import parse_observer
from edgewright.quant.plan import PrecisionPlan
from edgewright.quant.planner import QuantOptions, make_plan
from edgewright.quant.profile import FusionProfile
from edgewright.quant.qdq import write_qdq
from edgewright.runtime.artifact_session import ArtifactSession
from edgewright.targets.backend import Backend, Outputs
from edgewright.verify.part_error import PartErrors

State = Literal["ok", "wrong", "fails", "not run", "not on this chip"]
_CALIBRATION, _EVALUATION = 8, 4
_QUANTISED_FLOOR = 0.1
"""Relative L2 that 8 bits may cost these networks on any chip: 1 to 5 % were measured, and chips round differently."""
_TIMES_EMULATED = 3.0
"""A chip may lose so many times what our own emulation of the same plan loses before it counts as wrong."""


@dataclass(frozen=True)
class ControlResult:
    """What a toolchain made of one control in one precision.

    Attributes:
        control, precision: which.
        state: "ok"; "wrong": it was built and runs, but computes something else; "fails": the toolchain refuses or
            dies; "not run": it was built, for a target that does not run here; "not on this chip".
        errors: relative L2 of each part against float ONNX Runtime; None where the part is not finite.
        allowed: the largest that counts as ok, by part.
        cause: why it fails, in words; empty when it does not.
        remedy: what is known to help.
        log: the tool's whole log, when it failed and left one.
        seconds: of build and run.
    """

    control: str
    precision: str
    state: State
    errors: Mapping[str, float | None] = field(default_factory=dict)
    allowed: Mapping[str, float] = field(default_factory=dict)
    cause: str = ""
    remedy: str = ""
    log: str = ""
    seconds: float = 0.0

    @property
    def worst(self) -> tuple[str, float | None] | None:
        """The part that is furthest from what is allowed, with its error."""
        if not self.errors:
            return None
        return max(self.errors.items(), key=lambda entry: _over(entry[1], self.allowed[entry[0]]))

    def to_json(self) -> dict[str, Any]:
        """The result as JSON data."""
        return {**self.__dict__, "errors": dict(self.errors), "allowed": dict(self.allowed)}


def run_control(backend: Backend, control: Control, precision: str, folder: Path) -> ControlResult:
    """Build `control` for a target in `folder`, run it, and compare by part with ONNX Runtime.

    Args:
        precision: "float", "int8" or "int16".
        folder: an empty folder to build in.
    """
    started = time.monotonic()
    able = backend.capabilities()
    if precision not in able.precisions:
        return ControlResult(control.name, precision, "not on this chip")
    model = _prepared(control, able.min_opset)
    plan = None if precision == "float" else _plan(model, able.fusion, precision)
    reference = list(ReferenceSession(model.data).run_many(pictures(model, _EVALUATION, EVALUATION_SEED)))
    result = ControlResult(control.name, precision, "ok")
    try:
        found = _built_outputs(backend, model, plan, folder)
        errors = _errors(control, reference, found)
        allowed = _allowed(control, able.float_tolerance, model, plan, reference)
        right = all(_over(error, allowed[part]) <= 1.0 for part, error in errors.items())
        result = replace(result, state="ok" if right else "wrong", errors=errors, allowed=allowed)
    except _OtherOutputs as error:
        result = replace(result, state="wrong", cause=str(error))
    except EdgewrightError as error:
        cause = f"{error.what}: {error.why}" if error.why else error.what
        log = str(getattr(error, "log", ""))
        result = replace(result, state="fails", cause=cause, remedy=error.todo, log=log)
    return replace(result, seconds=round(time.monotonic() - started, 3))


class _OtherOutputs(Exception):
    """An artifact has other outputs than the model."""


def _allowed(
    control: Control, float_tolerance: float, model: Model, plan: PrecisionPlan | None, reference: list[Outputs]
) -> dict[str, float]:
    """The largest error of each part that counts as right: of float what the chip's arithmetic explains; of integers
    what our emulation of the same plan explains."""
    if plan is None:
        return dict.fromkeys((part.name for part in control.parts), float_tolerance)
    emulated = ReferenceSession(write_qdq(model, plan).data)
    predicted = _errors(control, reference, list(emulated.run_many(pictures(model, _EVALUATION, EVALUATION_SEED))))
    return {
        part: max(float_tolerance, _QUANTISED_FLOOR, _TIMES_EMULATED * (error or 0.0))
        for part, error in predicted.items()
    }


def _prepared(control: Control, min_opset: int) -> Model:
    """Prepared as a user's model is."""
    options = PrepareOptions({}, min_opset, ())
    return prepare(control.build(), options, lambda model: list(pictures(model, 1, CALIBRATION_SEED))).model


def _plan(model: Model, profile: FusionProfile, precision: str) -> PrecisionPlan:
    """Every op that the target has at `precision`, ranges as they are."""
    statistics = collect_statistics(
        model, observable(model, profile), pictures(model, _CALIBRATION, CALIBRATION_SEED), histogram=False
    )
    options = QuantOptions(
        parse_observer("minmax"), unclipped=frozenset(head_outputs(model, profile.fused_activations))
    )
    width: Any = precision
    return make_plan(model, profile, statistics, default_precisions(model, profile, width), options)


def _built_outputs(backend: Backend, model: Model, plan: PrecisionPlan | None, folder: Path) -> list[Outputs]:
    artifact = backend.build(model, plan, folder, samples=lambda count: pictures(model, count, CALIBRATION_SEED))
    samples = pictures(model, _EVALUATION, EVALUATION_SEED)
    with ArtifactSession(backend.open(artifact), artifact, _contract(model)) as session:
        return list(session.run_many(samples))


def _errors(control: Control, reference: list[Outputs], found: list[Outputs]) -> dict[str, float | None]:
    sums = PartErrors(control.parts)
    if len(found) != len(reference):
        raise _OtherOutputs(f"{len(found)} answers for {len(reference)} inputs")
    for expected, got in zip(reference, found, strict=True):
        sums.update(expected, {name: _like(values, got.get(name), name) for name, values in expected.items()})
    return {error.part: error.relative_l2 for error in sums.result()}


def _like(expected: NDArray[Any], got: NDArray[Any] | None, name: str) -> NDArray[Any]:
    """A toolchain may leave out dimensions of one; the values are what counts."""
    if got is None:
        raise _OtherOutputs(f"there is no output {name!r}")
    if got.size != expected.size:
        raise _OtherOutputs(f"output {name!r} has shape {got.shape} instead of {expected.shape}")
    return np.reshape(got, expected.shape)


def _contract(model: Model) -> Contract:
    (spec,) = model.inputs
    _, channels, height, width = (size or 1 for size in spec.shape)
    return contract_for_model(
        input=spec.name,
        width=width,
        height=height,
        colour="GRAY" if channels == 1 else "RGB",
        resize="stretch",
        mean=(0.0,) * channels,
        std=(255.0,) * channels,
    )


def _over(error: float | None, allowed: float) -> float:
    return float("inf") if error is None else error / allowed
