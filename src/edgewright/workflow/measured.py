"""Stage: a variant against the source model on the evaluation images."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from edgewright.data.contract import Contract, preprocess
from edgewright.data.images import read_image
from edgewright.data.labels import Labels
from edgewright.errors import UserError
from edgewright.findings import Finding
from edgewright.targets.backend import Feeds, Outputs, Session
from edgewright.tasks.base import FAMILIES, Head
from edgewright.tasks.classification import Classes, agreements
from edgewright.tasks.detection.detections import Detections
from edgewright.tasks.detection.metrics import agreement_ap, coco_ap
from edgewright.tasks.detection.postprocess import decode_image
from edgewright.tasks.keypoints.keypoints import Keypoints
from edgewright.tasks.keypoints.metrics import keypoint_metrics
from edgewright.verify.degenerate import no_detection
from edgewright.verify.evaluate import REFERENCE, Decode, Sample, evaluate
from edgewright.verify.results import Metric, PartError
from edgewright.workflow.detections_file import detections_of, save_detections
from edgewright.workflow.inputs import ImageFiles
from edgewright.workflow.progress import Progress
from edgewright.workflow.run_dir import RunDir, StageResult

_DETECTIONS = "detections.npz"
_PAIR_IMAGES, _PAIRS, _SEED = 32, 2, 0


@dataclass(frozen=True)
class Task:
    """What outputs mean and what they are measured against.

    Attributes:
        head, contract: see `workflow.prepared`.
        names: class names; empty when they are not known.
        labels: ground truth, or None.
    """

    head: Head
    contract: Contract
    names: tuple[str, ...] = ()
    labels: Labels | None = None

    def detections(self, outputs: Outputs, placement: Any) -> Detections:
        """Detections of one image at the thresholds of evaluation."""
        family = FAMILIES.get(self.head.family)
        return decode_image(family, outputs, self.head, self.contract, family.evaluation, placement, self.names)

    def classes(self, outputs: Outputs, placement: Any) -> Classes:
        """Scores of all classes of one image."""
        del placement
        family = FAMILIES.get(self.head.family)
        found: Classes = family.decode(outputs, self.head, self.contract, family.evaluation)
        return found

    @property
    def decoder(self) -> Decode | None:
        """What an image's outputs are decoded by on the way; None where a task has no answer for each image alone."""
        return {"detection": self.detections, "classification": self.classes}.get(self.head.task)


def no_boxes(head: Head) -> UserError:
    """Labels were given for a head that they say nothing about."""
    return UserError(
        f"labels were given, but the head ({head.family}) has no boxes to measure with them",
        where="--labels",
        todo="leave --labels out, or name the head family with --task",
    )


@dataclass(frozen=True)
class Measured:
    """One variant's figures.

    Attributes:
        errors: error by part of each stage, in order.
        metrics: task metric of the reference and of each stage.
        detections: by stage and image name, the reference included.
        findings: degenerate outputs of the stages.
        images: number of images.
    """

    errors: Mapping[str, tuple[PartError, ...]]
    metrics: Mapping[str, Metric]
    findings: tuple[Finding, ...]
    images: int
    folder: Path
    reused: bool = False
    _cache: dict[str, Any] = field(default_factory=dict, compare=False, repr=False)

    def detections(self, stage: str, names: tuple[str, ...] = ()) -> dict[str, Detections]:
        """Detections of a stage by image name; empty where the head has none."""
        path = self.folder / _DETECTIONS
        if not path.is_file():
            return {}
        if "arrays" not in self._cache:
            with np.load(path, allow_pickle=False) as arrays:
                self._cache["arrays"] = {name: arrays[name] for name in arrays.files}
        return detections_of(self._cache["arrays"], stage, names)


def measure_stage(
    run: RunDir,
    title: str,
    key: Mapping[str, Any],
    task: Task,
    images: ImageFiles,
    open_sessions: Callable[[], dict[str, Session]],
    progress: Progress,
    known: Measured | None = None,
) -> Measured:
    """Measure stages against the reference.

    Args:
        title: name of the variant, for the stage and the progress bar.
        key: digests of everything but images, contract and head.
        open_sessions: sessions by name of the stage, `REFERENCE` first and the artifact last; called only when there is
            work to do. Errors are told of every stage, the metric of the reference and of the artifact.
        known: measured before with the same reference and images, whose detections and metric are not made again.
    """
    stage_key = {
        **key,
        "head": task.head.to_json(),
        "contract": task.contract.model_dump(mode="json"),
        "images": images.key,
    }
    compute = functools.partial(_measure, task, images, open_sessions, title, progress, known)
    return _restore(run.stage(f"measure {title}", stage_key, compute))


def _measure(
    task: Task,
    images: ImageFiles,
    open_sessions: Callable[[], dict[str, Session]],
    title: str,
    progress: Progress,
    known: Measured | None,
    folder: Path,
) -> dict[str, Any]:
    with ExitStack() as stack:
        sessions = {name: stack.enter_context(session) for name, session in open_sessions().items()}
        return _measure_open(task, images, sessions, title, progress, known, folder)


def _measure_open(
    task: Task,
    images: ImageFiles,
    sessions: dict[str, Session],
    title: str,
    progress: Progress,
    known: Measured | None,
    folder: Path,
) -> dict[str, Any]:
    artifact = list(sessions)[-1]
    reference = sessions.pop(REFERENCE)
    decode, classifies = task.decoder, task.head.task == "classification"
    with progress.step(f"measure {title}", len(images.paths)) as advance:
        decoded = {artifact} if known is not None and not classifies else {REFERENCE, artifact}
        found = evaluate(
            reference,
            sessions,
            samples(images, task.contract),
            task.head.parts,
            decode,
            advance,
            decoded,
            ahead=True,
        )
    findings = [finding for outcome in (found.reference, *found.stages.values()) for finding in outcome.findings]
    metrics: dict[str, Metric] = {}
    if classifies:
        both = {REFERENCE: found.reference.detections, artifact: found.stages[artifact].detections}
        metrics = agreements(both, REFERENCE)
    elif decode is not None:
        expected = found.reference.detections if known is None else known.detections(REFERENCE)
        kept = {REFERENCE: expected, artifact: found.stages[artifact].detections}
        save_detections(folder / _DETECTIONS, kept)
        metrics = detection_metrics(task, kept, known={} if known is None else known.metrics)
        findings += _missing(task, kept)
    elif task.head.task == "keypoints":
        with progress.step(f"match keypoints, {title}"):
            wanted = {REFERENCE: reference, artifact: sessions[artifact]}
            metrics = _keypoint_metrics(task, images, wanted, {} if known is None else known.metrics)
    return {
        "images": found.images,
        "errors": {name: [error.to_json() for error in outcome.errors] for name, outcome in found.stages.items()},
        "metrics": {name: metric.to_json() for name, metric in metrics.items()},
        "findings": [finding.to_json() for finding in findings],
    }


def samples(images: ImageFiles, contract: Contract) -> Iterator[Sample]:
    """Network inputs of the images, one at a time."""
    for path in images.paths:
        tensor, placement = preprocess(read_image(path), contract)
        yield Sample(path.name, {contract.input: tensor}, placement)


def network_inputs(images: ImageFiles, task: Task) -> Iterator[Feeds]:
    """Network inputs of the images without where the image lies in them, one at a time."""
    return (sample.feeds for sample in samples(images, task.contract))


def detection_metrics(
    task: Task,
    found: Mapping[str, Mapping[str, Detections]],
    reference: str = REFERENCE,
    known: Mapping[str, Metric] | None = None,
) -> dict[str, Metric]:
    """AP on the labels for each stage, or agreement with the reference stage where there are no labels.

    Args:
        known: metrics that need not be computed again; only that of the reference is looked up.
    """
    metrics: dict[str, Metric] = {}
    for name, detections in found.items():
        if known and name == reference and reference in known:
            metrics[name] = known[reference]
        elif task.labels is not None:
            metrics[name] = coco_ap(detections, task.labels, int(task.head.params["nc"]))
        else:
            metrics[name] = agreement_ap(detections, found[reference])
    return metrics


def _missing(task: Task, found: Mapping[str, Mapping[str, Detections]]) -> list[Finding]:
    confidence = FAMILIES.get(task.head.family).running.confidence
    answers = [
        no_detection(name, found[REFERENCE].values(), detections.values(), confidence)
        for name, detections in found.items()
        if name != REFERENCE
    ]
    return [finding for finding in answers if finding is not None]


def _keypoint_metrics(
    task: Task, images: ImageFiles, sessions: Mapping[str, Session], known: Mapping[str, Metric]
) -> dict[str, Metric]:
    size = (task.contract.width, task.contract.height)  # distances in pixels count at the network's own size
    pixels = [_resized(read_image(path), size) for path in images.paths[:_PAIR_IMAGES]]
    metrics = {name: metric for name, metric in known.items() if name == REFERENCE}
    for name, session in sessions.items():
        if name not in metrics:
            metrics[name] = keypoint_metrics(functools.partial(_keypoints, task, session), pixels, _SEED, _PAIRS)
    return metrics


def _resized(image: Any, size: tuple[int, int]) -> Any:
    import cv2

    return cv2.resize(image, size, interpolation=cv2.INTER_AREA)


def _keypoints(task: Task, session: Session, image: Any) -> Keypoints:
    family = FAMILIES.get(task.head.family)
    tensor, placement = preprocess(image, task.contract)
    outputs = session({task.contract.input: tensor})
    found: Keypoints = family.decode(outputs, task.head, task.contract, family.running)
    return Keypoints(placement.points_to_image(found.xy), found.scores, found.descriptors)


def _restore(result: StageResult) -> Measured:
    data = result.data
    return Measured(
        errors={name: tuple(PartError.from_json(one) for one in errors) for name, errors in data["errors"].items()},
        metrics={name: Metric.from_json(metric) for name, metric in data["metrics"].items()},
        findings=tuple(Finding.from_json(finding) for finding in data["findings"]),
        images=data["images"],
        folder=result.folder,
        reused=result.reused,
    )
