"""Calibration: the float graph over the images, one pass, memory flat in their number."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgewright.errors import DataError
from edgewright.graph.model import Model
from edgewright.graph.reference import available_cores
from edgewright.quant.accumulate import CodeHistograms, Totals
from edgewright.quant.binding import BoundSession
from edgewright.quant.observed_graph import ObservedGraph, observe, tensor_elements
from edgewright.quant.statistics import TensorStatistics

_BUDGET = 512 << 20
"""Bytes of tensors that one run may hand out; more are seen in several runs of the network for each image."""
_LARGEST = 65504.0
"""Largest float16."""
_SMALLEST = 2.0**-11
"""A tensor whose values are all below this is too small for float16: they lie 2**-24 apart down there."""


def collect_statistics(
    model: Model,
    tensors: Sequence[str],
    feeds: Iterable[Mapping[str, NDArray[Any]]],
    *,
    histogram: bool,
    threads: int = 0,
    on_image: Callable[[int], None] | None = None,
) -> dict[str, TensorStatistics]:
    """Statistics of `tensors` over all images.

    Args:
        model: the float graph; inputs and outputs of it may be among the tensors.
        tensors: names to observe; a name that comes twice is observed once.
        feeds: inputs by name, one mapping a call of the network; taken one by one and not kept.
        histogram: make histograms too, which costs about as much again as the network.
        threads: threads to use; 0 takes every core that this process may use.
        on_image: called with the number of images done after each.

    Returns:
        Statistics by name, in the order of `tensors`.

    Raises:
        UserError: a name is unknown, or its tensor does not hold floats.
        DataError: there are no images.
        ModelError: ONNX Runtime does not accept the graph.
        ToolchainError: ONNX Runtime failed on an image.
    """
    collector = _Collector(model, tensors, histogram, threads)
    with ThreadPoolExecutor(threads or available_cores()) as pool:
        for image in feeds:
            collector.add(image, pool)
            if on_image is not None:
                on_image(collector.totals.images)
    if collector.totals.images == 0:
        raise DataError("there are no images to calibrate with", todo="name a folder with images of your use")
    return collector.statistics()


class _Collector:
    def __init__(self, model: Model, tensors: Sequence[str], histogram: bool, threads: int) -> None:
        self._model = model
        self._threads = threads
        self._elements = tensor_elements(model, tensors)
        self.totals = Totals(tuple(self._elements))
        self._codes = CodeHistograms(self.totals.names) if histogram else None
        self._groups = [
            (graph, self._session(graph))
            for reduced, raw in _groups(self._elements, histogram)
            for graph in [observe(model, reduced, raw, histogram=histogram)]
        ]
        self._special: dict[tuple[str, ...], tuple[ObservedGraph, BoundSession]] = {}

    def add(self, image: Mapping[str, NDArray[Any]], pool: ThreadPoolExecutor) -> None:
        """Observe one image."""
        special: list[str] = []
        for graph, session in self._groups:
            outputs = session(image)
            self._add_whole(graph, outputs, pool)
            if graph.reduced:
                special += self._add_reduced(graph, outputs, pool)
        if special:
            graph, session = self._special_session(tuple(special))
            self._add_whole(graph, session(image), pool)
        self.totals.next_image()

    def statistics(self) -> dict[str, TensorStatistics]:
        return {
            name: self.totals.statistics(name, None if self._codes is None else self._codes.histogram(name))
            for name in self.totals.names
        }

    def _add_reduced(
        self, graph: ObservedGraph, outputs: Mapping[str, NDArray[Any]], pool: ThreadPoolExecutor
    ) -> list[str]:
        """Add what the graph reduced; returns the tensors that must be seen whole this time."""
        numbers = outputs[graph.vector].astype(np.float64).reshape(len(graph.reduced), -1)
        # ReduceMin may swallow a NaN, sums never do; a sum that overflows for other reasons is looked at whole too
        plain = np.asarray(np.isfinite(numbers).all(axis=1), np.bool_)
        if self._codes is not None:
            plain &= self._fits_codes(graph.reduced, numbers)
        names = [graph.reduced[index] for index in np.flatnonzero(plain)]
        counts = [self._elements[name] or 0 for name in names]
        self.totals.add_reduced(names, numbers[plain], counts)
        if self._codes is not None:
            codes = self._codes
            # the largest first, so that threads end together
            jobs = sorted(zip(counts, names, strict=True), reverse=True)
            list(pool.map(lambda job: codes.add_codes(job[1], outputs[graph.codes[job[1]]]), jobs))
        return [graph.reduced[index] for index in np.flatnonzero(~plain)]

    def _fits_codes(self, names: Sequence[str], numbers: NDArray[np.float64]) -> NDArray[np.bool_]:
        largest = np.maximum(-numbers[:, 0], numbers[:, 1])
        before = np.array([self.totals.largest(name) for name in names])
        ever = np.maximum(largest, before)
        return np.asarray((largest <= _LARGEST) & ((ever == 0) | (ever >= _SMALLEST)))

    def _add_whole(self, graph: ObservedGraph, outputs: Mapping[str, NDArray[Any]], pool: ThreadPoolExecutor) -> None:
        def add(name: str) -> None:
            finite = self.totals.add_whole(name, outputs[graph.raw[name]])
            if self._codes is not None:
                self._codes.add_values(name, finite)

        list(pool.map(add, graph.raw))

    def _special_session(self, names: tuple[str, ...]) -> tuple[ObservedGraph, BoundSession]:
        """Hands out `names` whole. One is kept, for the same tensors are special in most images."""
        found = self._special.get(names)
        if found is None:
            graph = observe(self._model, (), names, histogram=False)
            found = (graph, self._session(graph))
            self._special = {names: found}
        return found

    def _session(self, graph: ObservedGraph) -> BoundSession:
        return BoundSession(graph.data, threads=self._threads, name=self._model.name)


def _groups(elements: Mapping[str, int | None], histogram: bool) -> list[tuple[list[str], list[str]]]:
    """Tensors to reduce and tensors to see whole, in groups that hand out no more than the budget each.

    A tensor of unknown size, or of none, is seen whole: a reduction over nothing is undefined before opset 18.
    """
    groups: list[tuple[list[str], list[str]]] = []
    room = 0
    for name, size in elements.items():
        cost = 2 * (size or 0) if histogram else 0
        if not groups or cost > room:
            groups.append(([], []))
            room = _BUDGET
        room -= cost
        groups[-1][0 if size else 1].append(name)
    return groups
