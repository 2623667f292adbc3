"""Rounding of weights that follows the data: up or down, so that the layer's output moves least, not the weight.

Each layer is solved for itself, from its inputs in the float network: one run of the network over the images serves all
layers. Inputs as the quantised network gives them were measured to be no better, and wanting the float output from
them (so that weights make good for errors that came in before) to be worse. It pays where one step serves all channels
of a weight; with a step for each channel most of the error comes from activations, and little is won.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgewright.errors import DataError
from edgewright.graph.model import Model
from edgewright.graph.reference import Feeds
from edgewright.quant.plan import PrecisionPlan
from edgewright.quant.weight_layers import Beside, with_values
from edgewright.quant.weight_rounding_problem import RoundingLayer, rounding_layers

_ROWS = 128
"""Output positions drawn from each image for each layer."""
_BUDGET = 512 << 20
"""Bytes of second moments held at once; more layers than that take several runs of the network."""
_GATHERING = 0.5
"""Share of the time in which images are looked at; what they have told by then is used."""


@dataclass(frozen=True)
class LayerRounding:
    """What rounding did to one weight.

    Attributes:
        weight: name of the weight.
        nodes: names of the nodes that read it.
        nearest, rounded: relative L2 error of the layer's output that comes from the weight, on the rows looked at,
            rounded to nearest and as chosen.
        flipped: share of the weight's codes that are not the nearest.
    """

    weight: str
    nodes: tuple[str, ...]
    nearest: float
    rounded: float
    flipped: float


@dataclass(frozen=True)
class RoundingReport:
    """What `round_weights` did.

    Attributes:
        layers: the weights that were rounded, in the order of work.
        skipped: why a weight was left as it was, by its name.
        images: images that were looked at.
        seconds: time taken.
        complete: whether neither images nor layers were left out for want of time.
    """

    layers: tuple[LayerRounding, ...]
    skipped: Mapping[str, str]
    images: int
    seconds: float
    complete: bool


def round_weights(
    model: Model,
    plan: PrecisionPlan,
    feeds: Iterable[Feeds],
    *,
    time_limit: float,
    centred: bool = False,
    seed: int = 0,
    threads: int = 0,
    on_layer: Callable[[LayerRounding], None] | None = None,
) -> tuple[Model, RoundingReport]:
    """The model with weights on their grids, rounded so that each layer's output moves least on the images.

    The grids stay as they are: where a step follows the largest weight, that keeps its code, so a plan made anew finds
    the same steps. For a seed and enough time the result is always the same.

    Args:
        model: the float model that `plan` was made for.
        plan: its precision plan. Weights without a grid stay as they are.
        feeds: inputs by name, one mapping a call of the network; taken one by one, and once more for each 512 MiB of
            second moments (so it must not be an iterator).
        time_limit: seconds. The layers that lose most come first; those that do not fit in stay as they are. At 0
            nothing is done.
        centred: leave the mean of each output channel out of account. For `correct_biases` to put right afterwards,
            with this `model` as the reference.
        seed: for the positions that are looked at.
        threads: threads of the network; 0 takes every core that this process may use.
        on_layer: called after each layer.

    Returns:
        A new model, with the same names, and what was done.

    Raises:
        DataError: there are no images.
        ModelError: ONNX Runtime does not accept the graph.
        ToolchainError: ONNX Runtime failed on an image.
    """
    start = time.monotonic()
    layers, skipped = rounding_layers(model, plan)
    work = _Work(model, start, time_limit, _Options(centred, seed, threads))
    done: list[LayerRounding] = []
    for batch in _batches(layers):
        work.gather(batch, feeds)
        for layer in sorted(batch, key=lambda one: -one.error(one.nearest)):
            if layer.rows and work.has_time_for(layer):
                done.append(work.solve(layer))
                if on_layer is not None:
                    on_layer(done[-1])
            else:
                work.complete = False
                skipped[layer.weight] = "the time was up"
    report = RoundingReport(tuple(done), skipped, work.images, time.monotonic() - start, work.complete)
    return with_values(model, work.values), report


@dataclass(frozen=True)
class _Options:
    centred: bool
    seed: int
    threads: int


class _Work:
    """The clock, and the weights chosen so far."""

    def __init__(self, model: Model, start: float, limit: float, options: _Options) -> None:
        self._model, self._options = model, options
        self._start, self._limit = start, limit
        self._pace = 1e-10  # seconds an operation, before any was measured: one core of 2020
        self.complete = True
        self.images = 0
        self.values: dict[str, NDArray[np.float32]] = {}

    @property
    def _left(self) -> float:
        return self._start + self._limit - time.monotonic()

    def gather(self, layers: list[RoundingLayer], feeds: Iterable[Feeds]) -> None:
        """Look at the images."""
        if self._limit <= 0 or self._left <= 0:
            self.complete = False
            return
        beside = Beside(self._model)
        for layer in layers:
            for name in layer.nodes:
                source = beside.nodes[name].inputs[0]
                assert source is not None  # noqa: S101 - rounding_layers has looked
                beside.hand_out(name, source)
        session = beside.session(self._options.threads)
        until = self._left * (1 - _GATHERING)
        images = 0
        for image in feeds:
            if images and self._left < until:
                self.complete = False
                break
            made = session(image)
            for number, layer in enumerate(layers):
                inputs = {name: made[beside.outputs[name]] for name in layer.nodes}
                layer.look(inputs, _ROWS, np.random.default_rng([self._options.seed, images, number]))
            images += 1
        if not images:
            raise DataError("there are no images to round weights with", todo="name a folder with images of your use")
        self.images = max(self.images, images)
        for layer in layers:
            layer.close(self._options.centred)

    def has_time_for(self, layer: RoundingLayer) -> bool:
        """Whether the layer is likely to be done in time."""
        return layer.work * self._pace < self._left

    def solve(self, layer: RoundingLayer) -> LayerRounding:
        """Choose the codes of one layer."""
        begin = time.monotonic()
        codes = layer.solve()
        self.values[layer.weight] = layer.weights(codes)
        self._pace = max(self._pace, (time.monotonic() - begin) / layer.work / 2)
        return LayerRounding(
            layer.weight,
            layer.nodes,
            layer.error(layer.nearest),
            layer.error(codes),
            float((codes != layer.nearest).mean()),
        )


def _batches(layers: list[RoundingLayer]) -> list[list[RoundingLayer]]:
    """Layers whose second moments fit into the budget together."""
    batches: list[list[RoundingLayer]] = []
    room = 0
    for layer in layers:
        if not batches or layer.bytes > room:
            batches.append([])
            room = _BUDGET
        room -= layer.bytes
        batches[-1].append(layer)
    return batches
