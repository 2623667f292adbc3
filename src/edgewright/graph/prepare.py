"""Preparation: fixed shapes, folded constants, a new enough opset; every step verified against the one before it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgewright.errors import EdgewrightError, ModelError, UserError
from edgewright.findings import Finding, Severity
from edgewright.graph.model import Model
from edgewright.graph.reference import ReferenceSession
from edgewright.graph.steps import STEPS, PrepareOptions, Step

Feeds = Mapping[str, NDArray[Any]]
TOLERANCE = 1e-4
"""Largest relative L2 difference of an output that float arithmetic in another order explains."""


@dataclass(frozen=True)
class StepRecord:
    """What one step did.

    Attributes:
        name, title: of the step.
        outcome: "changed", "nothing to do", "skipped", "undone" (it changed the result) or "failed".
        note: what changed, or why it failed.
        difference: largest relative L2 difference over outputs and samples; None where nothing was compared.
    """

    name: str
    title: str
    outcome: str
    note: str = ""
    difference: float | None = None


@dataclass(frozen=True)
class Prepared:
    """The prepared model with the record of its steps."""

    model: Model
    steps: tuple[StepRecord, ...]
    findings: tuple[Finding, ...]


def prepare(model: Model, options: PrepareOptions, feeds_for: Callable[[Model], Sequence[Feeds]]) -> Prepared:
    """Run all steps, comparing the outputs after each with those before it.

    Args:
        model: the model as it was loaded.
        options: shapes, opset and steps to skip.
        feeds_for: called once with the model whose input shapes are static; gives the samples to compare on.

    Raises:
        UserError: a step to skip is unknown or cannot be skipped; a dynamic shape was not given.
        ModelError: ONNX Runtime does not load the model.
    """
    _check_skips(options)
    state = _State(model)
    for step in STEPS:
        if step.name in options.skip:
            state.record(step, "skipped")
        elif step.defines_inputs:
            state.apply(step, options)  # before the samples can be made: these decide what an input is
        else:
            if state.before is None:
                state.start_comparing(feeds_for(state.model))
            state.apply(step, options)
    if state.before is None:
        state.start_comparing(feeds_for(state.model))
    return Prepared(state.model, tuple(state.steps), tuple(state.findings))


class _State:
    """The model on its way through the steps, with the outputs that it must keep giving."""

    def __init__(self, model: Model) -> None:
        self.model = model
        self.source = model
        self.steps: list[StepRecord] = []
        self.findings: list[Finding] = []
        self.feeds: Sequence[Feeds] = ()
        self.before: list[dict[str, NDArray[Any]]] | None = None

    def record(self, step: Step, outcome: str, note: str = "", difference: float | None = None) -> None:
        self.steps.append(StepRecord(step.name, step.title, outcome, note, difference))

    def start_comparing(self, feeds: Sequence[Feeds]) -> None:
        """Outputs of the source model; the steps so far only fixed its signature and must agree with it."""
        self.feeds = feeds
        self.before = _outputs(self.source, feeds)
        difference = largest_difference(self.before, _outputs(self.model, feeds)) if self.steps else 0.0
        if difference > TOLERANCE:
            raise ModelError(
                "fixing the model's input shapes changed its result",
                why=f"largest relative L2 difference {difference:.2g}",
                todo="export the model with static shapes",
            )

    def apply(self, step: Step, options: PrepareOptions) -> None:
        try:
            changed = step.run(self.model, options)
        except Exception as error:
            if step.needed:
                raise
            note = str(error) if isinstance(error, EdgewrightError) else f"{type(error).__name__}: {error}"
            self._failed(step, " ".join(note.split())[:300])
            return
        if changed is None:
            self.record(step, "nothing to do")
            return
        self._accept(step, *changed)

    def _accept(self, step: Step, model: Model, note: str) -> None:
        difference = None
        if self.before is not None:
            try:
                difference = largest_difference(self.before, _outputs(model, self.feeds))
            except (EdgewrightError, KeyError) as error:
                difference = float("inf")
                note = f"{note}; the result does not run: {error}"
            if difference > TOLERANCE:
                self._undo(step, note, difference)
                return
        self.model = model
        self.record(step, "changed", note, difference)
        if step.finding:
            self.findings.append(Finding(step.finding, Severity.INFO, step.name, f"{note}.".capitalize()))

    def _failed(self, step: Step, note: str) -> None:
        self.record(step, "failed", note)
        self.findings.append(
            Finding(
                "EW105",
                Severity.WARNING,
                step.name,
                f"Step {step.name} ({step.title}) failed: {note}.",
                {"note": note},
                "The model is used without this step.",
            )
        )

    def _undo(self, step: Step, note: str, difference: float) -> None:
        self.record(step, "undone", note, difference if np.isfinite(difference) else None)
        self.findings.append(
            Finding(
                "EW101",
                Severity.WARNING,
                step.name,
                f"Step {step.name} ({step.title}) changed the result by {difference:.2g} relative L2 and was undone.",
                {"difference": difference if np.isfinite(difference) else None, "limit": TOLERANCE, "note": note},
                "The model is used without this step.",
            )
        )


def _check_skips(options: PrepareOptions) -> None:
    for name in options.skip:
        step = STEPS.get(name)
        if step.needed:
            raise UserError(
                f"preparation step {name!r} cannot be skipped",
                why=f"later stages need it: {step.title}",
                todo="leave it out of --skip-prepare",
            )


def _outputs(model: Model, feeds: Sequence[Feeds]) -> list[dict[str, NDArray[Any]]]:
    session = ReferenceSession(model.data, name=model.name)
    wanted = set(session.input_names)
    return [session({name: value for name, value in feed.items() if name in wanted}) for feed in feeds]


def largest_difference(before: Sequence[Feeds], after: Sequence[Feeds]) -> float:
    """Largest |after - before| / |before| over samples and outputs; infinite when shapes or names differ."""
    worst = 0.0
    for old, new in zip(before, after, strict=True):
        for name, reference in old.items():
            if name not in new or new[name].shape != reference.shape:
                return float("inf")
            a, b = reference.astype(np.float64), new[name].astype(np.float64)
            same = np.array_equal(a, b, equal_nan=True)
            scale = float(np.linalg.norm(a))
            gap = 0.0 if same else float(np.linalg.norm(a - b)) / (scale or 1.0)
            worst = max(worst, gap if np.isfinite(gap) else float("inf"))
    return worst
