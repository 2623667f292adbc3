"""Errors of every tensor of a quantised network over images, in one pass, memory flat in the number of images."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx_ir.passes.common import ShapeInferencePass

from edgewright.errors import DataError, UserError
from edgewright.graph.model import Model
from edgewright.graph.reference import Feeds, available_cores
from edgewright.quant.error_graph import ErrorGraph, error_graph
from edgewright.quant.error_ops import made_values, unknown_tensor
from edgewright.quant.error_session import Chain
from edgewright.quant.error_sums import ErrorSums, RunningSums
from edgewright.quant.error_weights import weight_error_graph, weighted_tensors
from edgewright.quant.plan import PrecisionPlan

_AT_ONCE = 4
"""Images measured side by side, at most; memory grows with it. The ops are small: two threads inside each of them took
a third more CPU time than one."""


def measure_errors(
    model: Model,
    plan: PrecisionPlan,
    feeds: Iterable[Feeds],
    *,
    channels: Sequence[str] = (),
    weight_images: int = 8,
    threads: int = 0,
    on_image: Callable[[int], None] | None = None,
) -> dict[str, ErrorSums]:
    """Isolated, grid, weight and accumulated errors of every tensor that has a grid in the plan.

    Which nodes are one op follows from the plan: what lies between one grid and the next.

    Args:
        model: the prepared model, in float.
        plan: grids and precisions.
        feeds: inputs by name, one mapping a call of the network; taken one by one, as threads come free, and not kept.
        channels: tensors whose accumulated error is told apart by channel too, axis 1.
        weight_images: on how many of the first images the errors of weights are measured; they hardly depend on the
            image. 0 leaves them out.
        threads: threads to use; 0 takes every core that this process may use.
        on_image: called with the number of images done after each, in the thread of the caller.

    Returns:
        Sums by tensor, in the order of execution; empty for a plan without grids.

    Raises:
        UserError: a tensor of `channels` has no grid or no channels.
        DataError: there are no images.
        ModelError: ONNX Runtime does not accept the graph.
        ToolchainError: ONNX Runtime failed on an image.
    """
    threads = threads or available_cores()
    at_once = min(threads, _AT_ONCE)
    meter = _Meter(model, plan, plan.activations, channels, weight_images, threads // at_once)
    images = 0
    for found in _side_by_side(meter.measure, feeds, at_once):
        meter.add(found)
        images += 1
        if on_image is not None:
            on_image(images)
    if images == 0:
        raise DataError("there are no images to measure errors on", todo="name a folder with images of your use")
    return meter.results()


@dataclass(frozen=True)
class _Found:
    """What one image gave: numbers by tensor and meaning, and sums by channel."""

    errors: Mapping[str, Mapping[str, float]]
    channels: Mapping[str, NDArray[np.float64]]
    weights: Mapping[str, Mapping[str, float]] = field(default_factory=dict)


def _side_by_side(measure: Callable[[Feeds, int], _Found], feeds: Iterable[Feeds], at_once: int) -> Iterator[_Found]:
    """What each image gives, in their order; no more than `at_once` of them are in memory."""
    with ThreadPoolExecutor(at_once) as pool:
        waiting: deque[Future[_Found]] = deque()
        for number, image in enumerate(feeds):
            # copied, for the caller may fill the same arrays again
            copied = {name: np.array(array) for name, array in image.items()}
            waiting.append(pool.submit(measure, copied, number))
            if len(waiting) == at_once:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


class _Meter:
    def __init__(
        self,
        model: Model,
        plan: PrecisionPlan,
        tensors: Collection[str],
        channels: Sequence[str],
        weight_images: int,
        threads: int,
    ) -> None:
        self._name, self._threads, self._weight_images = model.name, threads, weight_images
        model, shapes = _typed(model), model.shapes
        names = [name for name in made_values(model.ir.graph) if name in tensors]
        self._totals = {name: RunningSums() for name in names}
        self._images = 0
        self._elements = {name: math.prod(shapes[name]) for name in names if name in shapes}
        sized = {name: bool(shapes.get(name)) and self._elements[name] > 0 for name in names}
        self._errors = self._open(error_graph(model, plan, sized, _ranks(channels, names, shapes)))
        weighted = weighted_tensors(model, plan) if weight_images else []
        self._weights = self._open(weight_error_graph(model, plan, weighted)) if weighted else None

    def measure(self, image: Feeds, number: int) -> _Found:
        """Measure one image; several threads may do so at once."""
        graph, chain = self._errors
        outputs = chain(image)
        channels = {name: outputs[output].astype(np.float64) for name, output in graph.channels.items()}
        found = _Found(_by_tensor(graph, outputs), channels)
        if self._weights is None or number >= self._weight_images:
            return found
        graph, chain = self._weights
        return replace(found, weights=_by_tensor(graph, chain(image)))

    def add(self, found: _Found) -> None:
        """Add what the next image gave."""
        for name, numbers in found.errors.items():
            self._totals[name].add({"elements": self._elements.get(name, 0), **numbers})
        for name, sums in found.channels.items():
            self._totals[name].add_channels(sums)
        for name, numbers in found.weights.items():
            self._totals[name].add_weight(numbers["weight"], numbers["weight_reference"])
        self._images += 1
        if self._images == self._weight_images:
            self._weights = None  # its memory is wanted no more

    def results(self) -> dict[str, ErrorSums]:
        """The sums so far, which start anew."""
        found = {name: running.result() for name, running in self._totals.items()}
        self._totals = {name: RunningSums() for name in self._totals}
        return found

    def _open(self, graph: ErrorGraph) -> tuple[ErrorGraph, Chain]:
        return graph, Chain(graph.links, threads=self._threads, name=self._name)


def _typed(model: Model) -> Model:
    """The model with the element type of every tensor, as far as they can be inferred."""
    return Model(ShapeInferencePass()(model.clone()).model, model.path)


def _by_tensor(graph: ErrorGraph, outputs: Mapping[str, NDArray[Any]]) -> dict[str, dict[str, float]]:
    found: dict[str, dict[str, float]] = {}
    for output, columns in graph.columns.items():
        for (name, meaning), number in zip(columns, outputs[output].reshape(-1).tolist(), strict=True):
            found.setdefault(name, {})[meaning] = number
    return found


def _ranks(channels: Sequence[str], names: Sequence[str], shapes: Mapping[str, tuple[int, ...]]) -> dict[str, int]:
    for name in channels:
        if name not in names:
            raise unknown_tensor(name, names, "has no grid in this plan")
        if len(shapes.get(name, ())) < 2:
            raise UserError(
                f"tensor {name!r} has no channels of its own",
                why=f"its shape is {shapes.get(name, 'not known')}, and channels lie along its second axis",
                todo="leave it out of the tensors whose channels are told apart",
            )
    return {name: len(shapes[name]) for name in channels}


def errors_by_image(
    model: Model, plan: PrecisionPlan, tensors: Sequence[str], *, threads: int = 0
) -> Callable[[Feeds], dict[str, ErrorSums]]:
    """A function that measures `tensors` on one image; for arguments and errors see `measure_errors`.

    Raises:
        UserError: a tensor has no grid in the plan.
    """
    for name in tensors:
        if name not in plan.activations:
            raise unknown_tensor(name, plan.activations, "has no grid in this plan")

    def on_one(image: Feeds) -> dict[str, ErrorSums]:
        meter.add(meter.measure(image, 0))
        return meter.results()

    meter = _Meter(model, plan, tensors, (), 0, threads)
    return on_one
