"""Stage: an export's own framework against the ONNX model that was made of it, on the same real images.

Before any chip is blamed it is known whether the conversion is right, whether the framework agrees with itself, and
whether images are prepared as the framework prepares them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from edgewright.data.contract import preprocess, to_colour
from edgewright.data.images import read_image
from edgewright.errors import ToolchainError
from edgewright.findings import Finding, listed
from edgewright.graph.io import load_model
from edgewright.graph.model import Model
from edgewright.graph.origin import Origin
from edgewright.graph.reference import ReferenceSession
from edgewright.sources.paddle.prepared_images import as_paddle_prepares
from edgewright.targets.paddle.advice import with_remedies
from edgewright.targets.paddle.inference import Options, run_inference
from edgewright.toolchains.deaths import WorkerFailed
from edgewright.toolchains.environments import ToolchainMissing
from edgewright.verify.part_error import PartErrors
from edgewright.verify.results import PartError
from edgewright.workflow.blame import keep_log
from edgewright.workflow.inputs import ImageFiles
from edgewright.workflow.measured import Task
from edgewright.workflow.progress import Progress
from edgewright.workflow.proof_notes import (
    conversion_note,
    failure_note,
    largest,
    preprocessing_note,
    stability_notes,
)
from edgewright.workflow.run_dir import RunDir
from edgewright.workflow.sourced import Sourced

IMAGES = 4
_STAGE = "proof"
_UNDIVIDED = "cannot be divided by sample"
"""What the worker says where an output holds all images of a batch in one list."""
ALONE = "oneDNN off"
_WAYS = {ALONE: Options(onednn="off", twice=True), "oneDNN on": Options(onednn="on")}
_PAIRED = "oneDNN off, two images at once"
_AS_WRITTEN = "oneDNN off, the program not optimised"
"""Asked only where no other way could be compared with the first."""

Outputs = Mapping[str, NDArray[Any]]


@dataclass(frozen=True)
class Ways:
    """What the framework answered in each way of running it.

    Attributes:
        outputs: by way and image, under the names of the ONNX model's outputs; the first one is the reference.
        failures: ways in which it failed, and what it said.
        untried: ways that say nothing for this model, and why.
        repeated: by output, the largest difference between two runs of the reference.
    """

    outputs: Mapping[str, Sequence[Outputs]]
    failures: Mapping[str, str]
    untried: Mapping[str, str]
    repeated: Mapping[str, float]

    @property
    def reference(self) -> str:
        """The way that the others are compared with."""
        return next(iter(self.outputs))


def proof_stage(
    run: RunDir,
    key: Mapping[str, Any],
    sourced: Sourced,
    task: Task,
    images: ImageFiles,
    tolerance: float,
    progress: Progress,
) -> list[Finding]:
    """What the proof of an export says; what was done with an ONNX file, which needs none.

    Args:
        key: versions, digest of the model and of the framework's environment.
        tolerance: relative L2 that float arithmetic explains on the target.

    Raises:
        ToolchainError: the framework runs its own export in no way at all.
    """
    origin = sourced.origin
    if origin is None:
        return list(sourced.findings)
    some = images.spread(IMAGES)
    stage_key = {
        **key,
        "head": task.head.to_json(),
        "contract": task.contract.model_dump(mode="json"),
        "images": some.key,
        "tolerance": tolerance,
        "onnx": sourced.path.parent.name,
    }

    def compute(folder: Path) -> dict[str, Any]:
        with progress.step(f"{origin.framework} against ONNX", len(_WAYS) + 2) as advance:
            try:
                found = _proven(folder, sourced, origin, task, some, tolerance, advance)
            except ToolchainError as error:  # while the folder is there
                keep_log(error, run.log_of(_STAGE))
                raise
        return {"findings": [finding.to_json() for finding in found]}

    return [Finding.from_json(one) for one in run.stage(_STAGE, stage_key, compute).data["findings"]]


def _proven(
    folder: Path,
    sourced: Sourced,
    origin: Origin,
    task: Task,
    images: ImageFiles,
    tolerance: float,
    advance: Any,
) -> list[Finding]:
    pixels = [read_image(path) for path in images.paths]
    tensors = [preprocess(image, task.contract)[0] for image in pixels]
    model = load_model(sourced.path)
    names = [spec.name for spec in model.outputs]
    samples = [{origin.inputs[0]: tensor, **origin.constants} for tensor in tensors]
    ways = _ways(folder, origin, samples, names, bool(sourced.facts.get("open_batch")), advance)
    onnx, plain_onnx = (_by_onnx(model, task, tensors, optimise=optimise) for optimise in (True, False))
    errors = {way: part_errors(task, outputs, onnx) for way, outputs in ways.outputs.items()}
    apart = {way: part_errors(task, ways.outputs[ways.reference], outputs) for way, outputs in ways.outputs.items()}
    ops = sourced.facts.get("ops", {})
    own = max(largest(spread) for spread in apart.values())
    spreads = own, largest(part_errors(task, onnx, plain_onnx))
    found = [conversion_note(model.name, origin, errors[ways.reference], len(tensors), tolerance, ops, *spreads)]
    found += stability_notes(origin, ways.reference, ways.repeated, apart, errors)
    found += [failure_note(origin, way, why, ways.reference) for way, why in ways.failures.items()]
    if sourced.steps:
        plain = [to_colour(image, "BGR") for image in pixels]
        theirs = as_paddle_prepares(origin.version, plain, sourced.steps, folder / "preprocess")
        found.append(preprocessing_note(tensors, theirs, [path.name for path in images.paths], task.contract))
    advance()
    return found


def _by_onnx(model: Model, task: Task, tensors: Sequence[NDArray[Any]], *, optimise: bool) -> list[Outputs]:
    with ReferenceSession(model.data, name=model.name, optimise=optimise) as session:
        return [session({task.contract.input: tensor}) for tensor in tensors]


def part_errors(task: Task, reference: Sequence[Outputs], candidate: Sequence[Outputs]) -> tuple[PartError, ...]:
    """Errors by part over all images.

    Raises:
        ToolchainError: an output has another shape than that of the reference.
    """
    errors = PartErrors(task.head.parts)
    try:
        for one, other in zip(reference, candidate, strict=True):
            errors.update(one, other)
    except ValueError as error:
        raise ToolchainError(
            "the framework and ONNX Runtime give outputs of different shapes",
            why=str(error),
            todo="convert with another version (--paddle VERSION), or export the model again",
        ) from error
    return errors.result()


def _ways(
    folder: Path,
    origin: Origin,
    samples: Sequence[Mapping[str, Any]],
    names: Sequence[str],
    open_batch: bool,
    advance: Any,
) -> Ways:
    outputs: dict[str, Sequence[Outputs]] = {}
    failures: dict[str, str] = {}
    untried: dict[str, str] = {}
    repeated: Mapping[str, float] = {}
    wanted = {**_WAYS, **({_PAIRED: Options(onednn="off", batch=2)} if open_batch and len(samples) > 1 else {})}
    first: WorkerFailed | None = None
    pending = dict(wanted)
    while pending:
        way = next(iter(pending))
        options = pending.pop(way)
        place = folder / "".join(letter if letter.isalnum() else "-" for letter in way)
        try:
            answer = run_inference(
                origin.program, origin.weights, samples, version=origin.version, options=options, folder=place
            )
        except ToolchainMissing:
            raise
        except WorkerFailed as error:
            first = first or error
            said = str((error.death.error or {}).get("message", ""))
            if _UNDIVIDED in said:
                untried[way] = said
            else:
                failures[way] = _told(error)
        else:
            outputs[way] = [_renamed(one, origin, names) for one in answer.outputs]
            repeated = repeated or {name: gap for name, gap in answer.differences.items() if gap}
        advance()
        if not pending and list(outputs) == [ALONE] and _AS_WRITTEN not in failures:
            pending[_AS_WRITTEN] = Options(onednn="off", ir_optim=False)  # or nothing tells how far it is from itself
    if not outputs and first is not None:
        first.why = f"{first.why}\n         it was tried with {listed(list(failures))}"
        raise with_remedies(first, origin, samples[0], folder) from first
    return Ways(outputs, failures, untried, repeated)


def _told(error: WorkerFailed) -> str:
    """How it ended, unless that is only a message whose cause is known, and that cause."""
    death = error.death
    if death.cause is None:
        return death.what
    return death.cause.cause if death.kind == "exception" else f"{death.what}. {death.cause.cause}"


def _renamed(outputs: Outputs, origin: Origin, names: Sequence[str]) -> Outputs:
    return {mine: outputs[theirs] for theirs, mine in zip(origin.outputs, names, strict=True)}
