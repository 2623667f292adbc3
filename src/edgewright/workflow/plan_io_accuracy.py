"""What a change that makes pass-through exact costs in accuracy: raw bytes as codes, against the model as it is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from edgewright.data.contract import Contract, value_tables
from edgewright.data.images import list_images
from edgewright.data.labels import load_labels
from edgewright.graph.model import Model
from edgewright.graph.reference import ReferenceSession
from edgewright.graph.rewrites.restoration import Restorer
from edgewright.quant.input_grid import with_input_grid
from edgewright.runtime.input_path.pass_through import Change
from edgewright.targets.backend import Feeds, Outputs, Session
from edgewright.verify.evaluate import REFERENCE, evaluate
from edgewright.workflow.inputs import ImageFiles
from edgewright.workflow.measured import Task, detection_metrics, samples

if TYPE_CHECKING:
    from edgewright.workflow.plan_io import Given, Subject


def measure_changes(subject: Subject, found: Sequence[Change], given: Given) -> list[dict[str, Any]]:
    """The task metric as it is and with each change, on the same images.

    Args:
        subject: with an ONNX model and a detection head.
        found: the changes.
        given: images, and labels if there are any; without them the metric is agreement with the model as it is.

    Raises:
        DataError: images or labels cannot be used.
    """
    assert subject.model is not None  # noqa: S101 - the caller's promise
    assert given.images is not None  # noqa: S101
    files = ImageFiles(tuple(list_images(given.images)), ())
    labels = None if given.labels is None else load_labels(given.labels, files.paths)
    if labels is not None:
        labels.check_classes(int(subject.head.params["nc"]))
    task = Task(subject.head, subject.contract, subject.names, labels)
    raw = subject.contract.model_copy(update={"dtype": "uint8"})
    with ExitStack() as stack:
        now = stack.enter_context(_FromRaw(subject, subject.model, _values(subject.contract)))
        changed: dict[str, Session] = {
            str(place): stack.enter_context(_FromRaw(subject, *_changed(subject, change)))
            for place, change in enumerate(found)
        }
        with given.progress.step("accuracy", len(files.paths)) as advance:
            done = evaluate(now, changed, samples(files, raw), task.head.parts, task.detections, advance)
    detections = {REFERENCE: done.reference.detections}
    detections |= {name: outcome.detections for name, outcome in done.stages.items()}
    metrics = detection_metrics(task, detections)
    return [
        {
            "metric": metrics[str(place)].name,
            "now": metrics[REFERENCE].value,
            "changed": metrics[str(place)].value,
            "images": done.images,
        }
        for place in range(len(found))
    ]


def _changed(subject: Subject, change: Change) -> tuple[Model, NDArray[np.float32]]:
    """The model with the changed grid, and what the raw bytes, taken for codes, mean to it."""
    assert subject.model is not None  # noqa: S101
    has_grid = subject.input_grid is not None
    model = with_input_grid(subject.model, subject.contract.input, change.grid) if has_grid else subject.model
    low = np.iinfo(change.grid.dtype).min
    codes = np.arange(256, dtype=np.int64) + low
    scales = np.broadcast_to(change.grid.scale, subject.contract.channels)
    zeros = np.broadcast_to(change.grid.zero_point, subject.contract.channels)
    pairs = zip(zeros, scales, strict=True)
    return model, np.stack([((codes - zero).astype(np.float32) * scale).astype(np.float32) for zero, scale in pairs])


def _values(contract: Contract) -> NDArray[np.float32]:
    return np.stack(value_tables(contract.mean, contract.std))


class _FromRaw:
    """A model that is fed raw bytes and makes values of them by a table of its own."""

    ran_on = "onnxruntime cpu"

    def __init__(self, subject: Subject, model: Model, values: NDArray[np.float32]) -> None:
        self._session = ReferenceSession(model.data, name=model.name)
        self._restore = Restorer(subject.restore)
        self._input, self._dtype, self._values = subject.contract.input, subject.contract.dtype, values
        self._axis = 1 if subject.contract.layout == "NCHW" else 3

    def __call__(self, feeds: Feeds) -> Outputs:
        raw = np.moveaxis(np.asarray(feeds[self._input]), self._axis, 0)
        real = np.stack([np.take(values, plane) for values, plane in zip(self._values, raw, strict=True)], self._axis)
        return self._restore(self._session({self._input: np.ascontiguousarray(real, self._dtype)}))

    def run_many(self, feeds: Any) -> Iterator[Outputs]:
        """Run samples in order."""
        for sample in feeds:
            yield self(sample)

    def __enter__(self) -> _FromRaw:
        return self

    def __exit__(self, *error: object) -> None:
        self._session.__exit__(None, None, None)
