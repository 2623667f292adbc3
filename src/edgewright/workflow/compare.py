"""Compare: two models or bundles on the same images, error by part."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

from edgewright.data.contract import Contract
from edgewright.data.images import list_images
from edgewright.data.labels import Labels, load_labels
from edgewright.errors import UserError
from edgewright.findings import Finding
from edgewright.graph.io import load_model
from edgewright.graph.reference import ReferenceSession
from edgewright.graph.steps import PrepareOptions, static_shapes
from edgewright.runtime.artifact_session import ArtifactSession
from edgewright.targets.backend import Session
from edgewright.tasks.base import FAMILIES, Head
from edgewright.tasks.classification import agreements
from edgewright.verify.degenerate import no_detection
from edgewright.verify.evaluate import Evaluation, evaluate
from edgewright.verify.results import Metric, PartError
from edgewright.workflow.given import is_bundle
from edgewright.workflow.inputs import ImageFiles
from edgewright.workflow.measured import Task, detection_metrics, no_boxes, samples
from edgewright.workflow.prepared import understand
from edgewright.workflow.progress import Progress, Quiet
from edgewright.workflow.recipe import Recipe, make_recipe
from edgewright.workflow.sourced import source_once

AnyPath = str | PathLike[str]


@dataclass(frozen=True)
class Comparison:
    """How B differs from A.

    Attributes:
        a, b: what was compared.
        head: head family of A.
        images: number of images.
        parts: error of B by part, A being the reference.
        metrics: task metric of "a" and "b"; empty where the head has no detections.
        findings: degenerate outputs of B.
    """

    a: str
    b: str
    head: str
    images: int
    parts: tuple[PartError, ...]
    metrics: Mapping[str, Metric]
    findings: tuple[Finding, ...]

    def to_json(self) -> dict[str, Any]:
        """The comparison as JSON data."""
        return {
            "a": self.a,
            "b": self.b,
            "head": self.head,
            "images": self.images,
            "parts": [part.to_json() for part in self.parts],
            "metrics": {name: metric.to_json() for name, metric in self.metrics.items()},
            "findings": [finding.to_json() for finding in self.findings],
        }


@dataclass(frozen=True)
class _Side:
    session: Session
    head: Head
    contract: Contract
    shapes: Mapping[str, tuple[int | None, ...]]  # of the outputs


def compare(
    a: AnyPath,
    b: AnyPath,
    *,
    images: AnyPath,
    labels: AnyPath | None = None,
    task: str | None = None,
    contract: Mapping[str, Any] | None = None,
    progress: Progress | None = None,
) -> Comparison:
    """Run two models or bundles on the same images and tell the error of `b` by part.

    Args:
        a: the reference: an ONNX file, a Paddle export or a bundle.
        b: the candidate: the same, with outputs of the same shapes.
        images: a folder of images.
        labels: their labels, for accuracy of both.
        task: head family, to overrule recognition.
        contract: parts of the preprocessing contract that differ from the family's preset.

    Raises:
        UserError: the two have other inputs or outputs, or something that was given cannot be used.
    """
    recipe = make_recipe(
        {
            "model": {"path": str(a), "task": task},
            "data": {"images": str(images)},
            "contract": dict(contract or {}),
        }
    )
    files = ImageFiles(tuple(list_images(Path(images))), ())
    with ExitStack() as stack:
        first = _open(Path(a), recipe, stack)
        second = _open(Path(b), recipe, stack)
        session = _fed_alike(first, second)
        known = _labels(first.head, labels, files)
        side_task = Task(first.head, first.contract, (), known)
        decode = side_task.decoder
        with (progress or Quiet()).step("compare", len(files.paths)) as advance:
            found = evaluate(
                first.session, {"b": session}, samples(files, first.contract), first.head.parts, decode, advance
            )
    return _result(str(a), str(b), side_task, found)


def _labels(head: Head, labels: AnyPath | None, files: ImageFiles) -> Labels | None:
    if labels is None:
        return None
    if head.task != "detection":
        raise no_boxes(head)
    known = load_labels(Path(labels), files.paths)
    known.check_classes(int(head.params["nc"]))
    return known


def _result(a: str, b: str, task: Task, found: Evaluation) -> Comparison:
    outcome = found.stages["b"]
    metrics: dict[str, Metric] = {}
    findings = [*found.reference.findings, *outcome.findings]
    if task.head.task == "detection":
        both = {"a": found.reference.detections, "b": outcome.detections}
        metrics = detection_metrics(task, both, reference="a")
        confidence = FAMILIES.get(task.head.family).running.confidence
        missing = no_detection("b", both["a"].values(), both["b"].values(), confidence)
        findings += [missing] if missing else []
    elif task.head.task == "classification":
        metrics = agreements({"a": found.reference.detections, "b": outcome.detections}, "a")
    return Comparison(a, b, task.head.family, found.images, outcome.errors, metrics, tuple(findings))


def _open(path: Path, recipe: Recipe, stack: ExitStack) -> _Side:
    if is_bundle(path):
        return _open_bundle(path, stack)
    sourced = source_once(path, recipe, stack)
    model = load_model(sourced.path)
    options = PrepareOptions(shapes=recipe.model.input_shapes)
    fixed = static_shapes.run(model, options)
    model = fixed[0] if fixed else model
    head, contract = understand(model, recipe, sourced.preset)
    shapes = {spec.name: spec.shape for spec in model.outputs}
    return _Side(stack.enter_context(ReferenceSession(model.data, name=model.name)), head, contract, shapes)


def _open_bundle(path: Path, stack: ExitStack) -> _Side:
    from edgewright.bundle.open import open_bundle
    from edgewright.runtime.host import backend_for, check_host

    bundle = stack.enter_context(open_bundle(path))
    backend = backend_for(bundle.manifest, str(path))
    check_host(bundle.manifest, backend, str(path))
    session = stack.enter_context(backend.open(bundle.artifact))
    contract = bundle.manifest.contract
    shapes = {spec.name: spec.shape for spec in bundle.manifest.to_outputs()}
    runner = ArtifactSession(session, bundle.artifact, contract, bundle.restore())
    return _Side(runner, bundle.manifest.to_head(), contract, shapes)


def _fed_alike(first: _Side, second: _Side) -> Session:
    """The second session under the first one's input name; refused when the tensors cannot be the same."""
    wants = [f"{side.contract.dtype} {side.contract.shape}" for side in (first, second)]
    if wants[0] != wants[1]:
        raise UserError(
            f"A wants {wants[0]} and B wants {wants[1]}: they cannot be fed alike",
            todo="compare models of the same input size and type",
        )
    mine = {part.output for part in first.head.parts}
    theirs = {part.output for part in second.head.parts}
    if len(mine) != len(theirs):
        raise UserError(
            f"A has outputs {', '.join(sorted(mine))} and B has {', '.join(sorted(theirs))}",
            todo="compare models with the same outputs",
        )
    names = dict(zip(_ordered(second.head), _ordered(first.head), strict=True))
    for theirs_name, mine_name in names.items():
        if first.shapes[mine_name] != second.shapes[theirs_name]:
            raise UserError(
                f"A gives {mine_name} {first.shapes[mine_name]} and B gives {theirs_name} {second.shapes[theirs_name]}",
                why="values are compared one by one, so outputs must have the same shapes",
                todo="compare models with the same outputs",
            )
    return _Renamed(second.session, first.contract.input, second.contract.input, names)


def _ordered(head: Head) -> list[str]:
    return list(dict.fromkeys(part.output for part in head.parts))


class _Renamed:
    """A session under another session's input and output names."""

    def __init__(self, session: Session, outer: str, inner: str, outputs: Mapping[str, str]) -> None:
        self.ran_on = session.ran_on
        self._session, self._outer, self._inner, self._outputs = session, outer, inner, outputs

    def __call__(self, feeds: Mapping[str, Any]) -> dict[str, Any]:
        found = self._session({self._inner: feeds[self._outer]})
        return {self._outputs.get(name, name): value for name, value in found.items()}

    def run_many(self, feeds: Any) -> Any:
        for found in self._session.run_many({self._inner: sample[self._outer]} for sample in feeds):
            yield {self._outputs.get(name, name): value for name, value in found.items()}

    def __enter__(self) -> _Renamed:
        return self

    def __exit__(self, *error: object) -> None:
        return
