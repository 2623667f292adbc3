"""The smallest failing piece: the few ops that show an error by themselves, with their inputs.

What one attaches to a bug report. It is one op, with what the target computes together with it; where no single op
shows the error that has accumulated in front of a tensor, ops are added backwards until half of it shows.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import onnx_ir as ir
from numpy.typing import NDArray

from edgewright.diagnose.extract_error import Told, tell
from edgewright.diagnose.extract_graph import piece_of, plan_of, read_from_outside, record
from edgewright.errors import DataError, UserError
from edgewright.graph.model import Model
from edgewright.graph.reference import Feeds, ReferenceSession
from edgewright.quant.error_measure import errors_by_image
from edgewright.quant.error_ops import absorbed_input, fused_nodes, made_values, read_values, unknown_tensor
from edgewright.quant.error_sums import relative
from edgewright.quant.plan import PrecisionPlan
from edgewright.quant.qdq import write_qdq

_ENOUGH = 0.5
"""Share of the accumulated error that a piece must show."""
_WORST = 5
"""Ops that are named where an error accumulates."""


@dataclass(frozen=True)
class Piece:
    """Some ops of a network, in float and as a plan has them.

    Attributes:
        tensor: the tensor whose error it shows, its only output.
        nodes: names of the ops in it, in the order of execution.
        single: whether it is one op, with what is computed together with it.
        float_model, quantised: the piece, before and after the plan; `quantised` has QuantizeLinear and
            DequantizeLinear.
        inputs: its inputs, by name, as the float network has them.
        expected: what `float_model` gives.
        told: the error of what `quantised` gives from the same inputs.
        network: the error of the tensor in the whole quantised network, for the same image.
        ran_on: what the errors were measured with.
        image: number of that image among those given, from 0: the one with the largest accumulated error.
        worst: where it is not one op, those of its ops that lose most by themselves, worst first, with the relative L2
            of their output from correct inputs.
    """

    tensor: str
    nodes: tuple[str, ...]
    single: bool
    float_model: Model
    quantised: Model
    inputs: Mapping[str, NDArray[Any]]
    expected: NDArray[Any]
    told: Told
    network: Told
    ran_on: str
    image: int
    worst: Mapping[str, float] = field(default_factory=dict)

    @property
    def error(self) -> float | None:
        """Relative L2 of what `quantised` gives from the same inputs; None: not finite."""
        return self.told.whole

    @property
    def accumulated(self) -> float | None:
        """Relative L2 of the tensor in the whole quantised network, for the same image."""
        return self.network.whole

    @property
    def in_channels(self) -> bool:
        """Whether the error must be told by channel, for the whole tensor hides it or shows less than half of it."""
        return self.told.axis is not None and (self.told.hidden or not self.told.shows(self.network, _ENOUGH))


def extract_piece(model: Model, plan: PrecisionPlan, target: str, feeds: Iterable[Feeds]) -> Piece:
    """The smallest piece that shows the error of a tensor.

    An error shows in the whole tensor or in its channels (see `extract_error`).

    Args:
        model: the prepared model, in float.
        plan: grids and precisions.
        target: a tensor with a grid, or the node that makes one; for a node that is computed together with its reader,
            the tensor that leaves the two.
        feeds: images to take the worst of.

    Raises:
        UserError: there is no such tensor or node, or it has no grid.
        DataError: there are no images.
        ModelError, ToolchainError: ONNX Runtime does not take a piece.
    """
    pieces = _Pieces(model, plan, _find(model, plan, target))
    number, image, network = pieces.worst_image(feeds)
    piece = replace(pieces.smallest(image, network), image=number)
    return piece if piece.single else replace(piece, worst=_lose_most(model, plan, piece, image))


def _lose_most(model: Model, plan: PrecisionPlan, piece: Piece, image: Feeds) -> dict[str, float]:
    producers = {name: value.producer() for name, value in made_values(model.ir.graph).items()}
    makers = {name: node.name or "" for name, node in producers.items() if node is not None}
    tensors = [name for name in plan.activations if makers.get(name) in set(piece.nodes)]
    sums = errors_by_image(model, plan, tensors)(image)
    errors = {makers[name]: relative(found.isolated, found.reference) for name, found in sums.items()}
    known = {name: error for name, error in errors.items() if error is not None}
    return {name: known[name] for name in sorted(known, key=lambda name: known[name], reverse=True)[:_WORST]}


def _find(model: Model, plan: PrecisionPlan, target: str) -> str:
    values = made_values(model.ir.graph)
    nodes = {node.name or "": node for node in model.ir.graph}
    known = [*plan.activations, *plan.ops]
    if target not in values and target not in nodes:
        raise unknown_tensor(target, known, "is no tensor and no op of this model")
    value = values[target] if target in values else nodes[target].outputs[0]
    while (value.name or "") not in plan.activations:
        readers = [usage.node for usage in value.uses()]
        if not readers or absorbed_input(value, readers[0], plan) is None:
            raise unknown_tensor(target, known, "has no grid in this plan, so it has no error of its own")
        value = readers[-1].outputs[0]
    if value.producer() is None:
        raise UserError(
            f"{target!r} is an input of the network: no op makes it", todo="name one of the ops that read it"
        )
    return value.name or ""


class _Pieces:
    """Pieces that end in one tensor, larger and larger backwards."""

    def __init__(self, model: Model, plan: PrecisionPlan, tensor: str) -> None:
        self._model, self._plan, self._tensor = model, plan, tensor
        producer = made_values(model.ir.graph)[tensor].producer()
        if producer is None:
            raise ValueError(f"nothing makes {tensor!r}")
        self._last = producer
        self._ops = self._backwards(producer)

    def worst_image(self, feeds: Iterable[Feeds]) -> tuple[int, Feeds, Told]:
        """Number and inputs of the image with the largest accumulated error, and the error."""
        sessions: list[ReferenceSession] = []
        found: tuple[int, Feeds, Told] | None = None
        for number, image in enumerate(feeds):
            if not sessions:
                piece = self._make(len(self._ops), image)  # up to the inputs of the network
                sessions = [
                    ReferenceSession(made.data, name=made.name) for made in (piece.float_model, piece.quantised)
                ]
            expected, other = (session(_only(image, session))[self._tensor] for session in sessions)
            told = tell(expected, other)
            if found is None or told.size > found[2].size:
                found = (number, dict(image), told)
        if found is None:
            raise DataError("there are no images to find the error on", todo="name a folder with images of your use")
        return found

    def smallest(self, image: Feeds, network: Told) -> Piece:
        """The smallest of them that shows enough of the error; the largest where none does. Few are tried."""
        made: dict[int, Piece] = {}

        def shows(count: int) -> bool:
            made[count] = self._make(count, image, network)
            told = made[count].told
            return told.shows(network, _ENOUGH) or told.shows_by_channel(network, _ENOUGH)

        high = 1
        while not shows(high) and high < len(self._ops):
            high = min(2 * high, len(self._ops))
        low = high // 2 + 1 if high > 1 else 1
        while low < high:
            middle = (low + high) // 2
            low, high = (low, middle) if shows(middle) else (middle + 1, high)
        return made[high]

    def _make(self, count: int, image: Feeds, network: Told | None = None) -> Piece:
        """The piece of the last `count` ops."""
        nodes = {node for op in self._ops[:count] for node in op}
        names = read_from_outside(self._model, nodes)
        found = record(self._model, [*names, self._tensor], image)
        expected = found.pop(self._tensor)
        float_model = piece_of(self._model, nodes, found, self._tensor, expected)
        quantised = write_qdq(float_model, plan_of(self._model, self._plan, nodes, self._last, float_model))
        session = ReferenceSession(quantised.data, name=quantised.name)
        told = tell(expected, session(found)[self._tensor], None if network is None else network.axis)
        return Piece(
            tensor=self._tensor,
            nodes=tuple(node.name or "" for node in self._model.ir.graph if node in nodes),
            single=count == 1,
            float_model=float_model,
            quantised=quantised,
            inputs=found,
            expected=expected,
            told=told,
            network=network or told,
            ran_on=session.ran_on,
            image=0,
        )

    def _backwards(self, last: ir.Node) -> list[tuple[ir.Node, ...]]:
        """`last` and the ops in front of it, the latest first: any number of them has one clean cut behind it."""
        order = {node: index for index, node in enumerate(self._model.ir.graph)}
        found: list[tuple[ir.Node, ...]] = []
        seen = {last}
        waiting = [(-order[last], last)]
        while waiting:
            op = fused_nodes(heapq.heappop(waiting)[1], self._plan)
            found.append(op)
            for value in (value for node in op for value in read_values(node)):
                producer = value.producer()
                if producer in order and producer not in seen and producer not in op:
                    seen.add(producer)
                    heapq.heappush(waiting, (-order[producer], producer))
        return found


def _only(image: Feeds, session: ReferenceSession) -> Feeds:
    """The inputs that a session has."""
    return {name: image[name] for name in session.input_names}
