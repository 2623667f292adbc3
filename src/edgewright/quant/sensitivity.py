"""What the quantisation error of each tensor does to each part of the outputs, predicted for many grids at once.

With the gradient g = J^T v of the products v . part, an error d of a tensor moves v . part by g . d to first order. For
v of random signs the mean of (g . d)^2 is |J d|^2, the squared error of the part ("projected"). The mean of the sum of
g^2 * d^2 is the same where the errors of different elements are independent, as those of rounding nearly are, and needs
far fewer samples ("diagonal"); errors that lean one way together, as those of clipping do, are seen by the first only.

Source of the estimator: M. F. Hutchinson, A stochastic estimator of the trace of the influence matrix for Laplacian
smoothing splines, Communications in Statistics 19(2), 1990.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgewright.errors import DataError, UserError
from edgewright.graph.model import Model
from edgewright.graph.reference import Feeds, Outputs, ReferenceSession, open_session, run_error
from edgewright.quant.observed_graph import tensor_elements
from edgewright.quant.sensitivity_graph import EffectGraph, effect_graph
from edgewright.tensors import Grid, Part

Array = NDArray[np.float64]
Weigh = Callable[[Outputs], Mapping[str, NDArray[Any]]]
"""Weights of each output, in its shape, from the float outputs of an image: how much a position matters."""

_BUDGET = 1 << 30
"""Bytes of gradients that one run may hold; more backward passes are divided over several runs for each image."""
_LARGEST_GRAPH = 1 << 28
"""Bytes of errors of initialisers that one graph may carry."""


@dataclass(frozen=True)
class Effects:
    """Predicted squared relative error: sum of squared errors of a part over that of its squared values.

    Attributes:
        parts: names of the parts.
        diagonal: by tensor, shape (candidates, parts): errors of different elements taken as independent.
        projected: by tensor, shape (candidates, parts): errors of all elements together.
        unknown: tensors without a figure: the gradient stops behind them, or is not finite.
        stops: nodes without a derivative rule, at which it stops.
        images: how many images were seen.
    """

    parts: tuple[str, ...]
    diagonal: Mapping[str, Array]
    projected: Mapping[str, Array]
    unknown: tuple[str, ...]
    stops: tuple[str, ...]
    images: int


def effects(
    model: Model,
    parts: Sequence[Part],
    candidates: Mapping[str, Sequence[Grid]],
    feeds: Iterable[Feeds],
    *,
    seed: int = 0,
    weigh: Weigh | None = None,
    weight_errors: Mapping[str, Sequence[NDArray[np.float32]]] | None = None,
    draws: int = 1,
    threads: int = 0,
) -> Effects:
    """Predict what each candidate does, one tensor quantised at a time.

    Args:
        model: the float graph, prepared; inputs and outputs of it may be among the tensors.
        parts: slices of its outputs.
        candidates: grids of activations, one for the whole tensor, of 8 or 16 bits.
        feeds: inputs by name, one mapping an image; taken one by one and not kept.
        seed: of the random signs.
        weigh: importance of the positions of each output; outputs that it leaves out count as they are.
        weight_errors: errors of initialisers, each in the initialiser's shape; they join the candidates.
        draws: random signs for each image and part. More of them make "projected" less noisy, and cost a backward
            pass each.
        threads: threads to use; 0 takes every core that this process may use.

    Raises:
        UserError: a name is unknown, or its tensor does not hold floats.
        DataError: there are no images.
        ModelError: ONNX Runtime does not accept the graph.
        ToolchainError: ONNX Runtime failed on an image.
    """
    errors = dict(weight_errors or {})
    sizes = tensor_elements(model, list(candidates))
    if set(candidates) & set(errors):
        raise ValueError("a tensor is either an activation or an initialiser")
    _check_parts(model, parts)
    lengths = {name: len(found) for name, found in (*candidates.items(), *errors.items())}
    meter = _Meter(lengths, len(parts), draws)
    runs = [
        _Run(effect_graph(model, [parts[row % len(parts)] for row in rows], grids, arrays), rows, model.name, threads)
        for rows in _row_groups(len(parts) * draws, sizes)
        for grids, arrays in _error_groups(candidates, errors)
    ]
    look = ReferenceSession(model.data, threads=threads, name=model.name)
    images = 0
    for image in feeds:
        outputs = look(image)
        weights = {} if weigh is None else {name: np.asarray(v, np.float32) for name, v in weigh(outputs).items()}
        generator = np.random.default_rng((seed, images))
        seeds = [_signs(part, outputs, weights, generator) for _ in range(draws) for part in parts]
        for run in runs:
            run(image, seeds, meter)
        meter.close([_squares(part, outputs, weights) for part in parts])
        images += 1
    if images == 0:
        raise DataError("there are no images to measure with", todo="name a folder with images of your use")
    return _result(parts, [run.graph for run in runs], meter, images)


class _Run:
    """One graph in a session; each of its rows is one part and draw."""

    def __init__(self, graph: EffectGraph, rows: Sequence[int], name: str, threads: int) -> None:
        self.graph = graph
        self._rows = rows
        self._name = name
        # Thousands of small nodes: ONNX Runtime's optimisation takes longer than it saves over hundreds of images. A
        # memory pattern would lay the errors of all tensors side by side, though each is needed for a moment only.
        self._session = open_session(graph.data, threads=threads, name=name, optimise=False, memory_pattern=False)

    def __call__(self, image: Feeds, seeds: Sequence[NDArray[np.float32]], meter: _Meter) -> None:
        """Add the numbers of one image to `meter`."""
        if not self.graph.vector:
            return
        given = {name: seeds[row] for name, row in zip(self.graph.seeds, self._rows, strict=True)}
        try:
            (numbers,) = self._session.run([self.graph.vector], {**image, **given})
        except Exception as error:
            raise run_error(self._name, error) from error
        start = 0
        for block in self.graph.blocks:
            table = numbers[start : start + block.size].astype(np.float64)
            rows = [self._rows[number] for number in block.parts]
            meter.add(block.tensor, block.candidates, rows, table.reshape(2, len(rows), len(block.candidates)))
            start += block.size


class _Meter:
    """Sums over images, by tensor, each (candidates, parts)."""

    def __init__(self, tensors: Mapping[str, int], parts: int, draws: int) -> None:
        self._parts = parts
        self._draws = draws
        self._now = {name: np.zeros((2, count, draws * parts)) for name, count in tensors.items()}
        self.diagonal = {name: np.zeros((count, parts)) for name, count in tensors.items()}
        self.projected = {name: np.zeros((count, parts)) for name, count in tensors.items()}
        self.norms = np.zeros(parts)

    def add(self, name: str, candidates: Sequence[int], rows: Sequence[int], table: Array) -> None:
        """Add numbers of the image in hand: projections and diagonal sums, each (rows, candidates)."""
        # a weight that several nodes read is one error: what it does in each place adds up before it is squared
        self._now[name][:, np.asarray(candidates)[:, None], np.asarray(rows)] += table.transpose(0, 2, 1)

    def close(self, norms: Sequence[float]) -> None:
        """End an image."""
        for name, (projections, diagonals) in self._now.items():
            shape = (len(projections), self._draws, self._parts)
            self.projected[name] += (projections**2).reshape(shape).mean(axis=1)
            self.diagonal[name] += diagonals.reshape(shape).mean(axis=1)
            self._now[name][:] = 0
        self.norms += norms


def _result(parts: Sequence[Part], graphs: Sequence[EffectGraph], meter: _Meter, images: int) -> Effects:
    norms = np.maximum(meter.norms, np.finfo(np.float64).tiny)
    unknown = {name for graph in graphs for name in graph.unknown}
    tables: tuple[dict[str, Array], dict[str, Array]] = ({}, {})
    for name in meter.diagonal:
        figures = meter.diagonal[name] / norms, meter.projected[name] / norms
        if name in unknown or not all(np.isfinite(figure).all() for figure in figures):
            unknown.add(name)
            continue
        for table, figure in zip(tables, figures, strict=True):
            table[name] = figure
    stops = dict.fromkeys(name for graph in graphs for name in graph.stops)
    order = [name for name in meter.diagonal if name in unknown]
    return Effects(tuple(part.name for part in parts), *tables, tuple(order), tuple(stops), images)


def _check_parts(model: Model, parts: Sequence[Part]) -> None:
    specs = {spec.name: spec for spec in model.outputs}
    for part in parts:
        spec = specs.get(part.output)
        if spec is None or spec.dtype != "float32" or not spec.is_static:
            raise UserError(
                f"part {part.name!r} cannot be followed back",
                where=f"output {part.output!r}",
                why="it must be a float32 output of the model with a static shape" if spec else "there is none",
                todo="prepare the model first: that gives every output its shape",
            )


def _signs(
    part: Part, outputs: Outputs, weights: Mapping[str, NDArray[np.float32]], generator: np.random.Generator
) -> NDArray[np.float32]:
    """The seed of a part: a random sign at each of its positions, weighted, and 0 elsewhere in the output."""
    seed = np.zeros(outputs[part.output].shape, np.float32)
    inside = part.take({part.output: seed})
    inside[...] = generator.integers(0, 2, inside.shape) * 2 - 1
    return np.asarray(seed * weights.get(part.output, np.float32(1)), np.float32)


def _squares(part: Part, outputs: Outputs, weights: Mapping[str, NDArray[np.float32]]) -> float:
    """Sum of the squared, weighted values of a part."""
    weighed = outputs[part.output] * weights.get(part.output, np.float32(1))
    return float((part.take({part.output: weighed}).astype(np.float64) ** 2).sum())


def _row_groups(rows: int, sizes: Mapping[str, int | None]) -> list[list[int]]:
    """Rows in groups whose gradients fit the budget, as if all of them were held at once."""
    each = 4 * sum(size or 0 for size in sizes.values())
    room = max(1, _BUDGET // max(1, each))
    return [list(range(start, min(start + room, rows))) for start in range(0, rows, room)]


def _error_groups(
    candidates: Mapping[str, Sequence[Grid]], errors: Mapping[str, Sequence[NDArray[np.float32]]]
) -> list[tuple[Mapping[str, Sequence[Grid]], dict[str, Sequence[NDArray[np.float32]]]]]:
    """All grids in the first group, and errors of initialisers over as many as they need."""
    groups: list[tuple[Mapping[str, Sequence[Grid]], dict[str, Sequence[NDArray[np.float32]]]]] = [(candidates, {})]
    held = 0
    for name, arrays in errors.items():
        size = sum(array.nbytes for array in arrays)
        if held and held + size > _LARGEST_GRAPH:
            groups.append(({}, {}))
            held = 0
        groups[-1][1][name] = arrays
        held += size
    return groups
