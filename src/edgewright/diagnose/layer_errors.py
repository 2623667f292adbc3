"""Errors of every quantised tensor, in the order of depth, with the names of the user's file."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np
import onnx_ir as ir

from edgewright.diagnose.names import source_names
from edgewright.diagnose.tensor_error import TensorError
from edgewright.graph.model import Model
from edgewright.graph.reference import Feeds
from edgewright.graph.regions import regions
from edgewright.quant.error_measure import measure_errors
from edgewright.quant.error_ops import fused_nodes, made_values
from edgewright.quant.error_sums import ErrorSums, relative
from edgewright.quant.plan import PrecisionPlan

_LARGEST = float(np.finfo(np.float32).max)


def layer_errors(
    model: Model,
    source: Model | None,
    plan: PrecisionPlan,
    feeds: Iterable[Feeds],
    *,
    channels: Sequence[str] = (),
    weight_images: int = 8,
    threads: int = 0,
    on_image: Callable[[int], None] | None = None,
) -> tuple[TensorError, ...]:
    """Measure every tensor that has a grid in the plan; effects stay empty until `with_effects`.

    Args:
        model: the prepared model, in float.
        source: the model as the user gave it; None: the prepared model's own names are given.
        plan: grids and precisions.
        feeds: inputs by name, one mapping a call of the network; taken one by one and not kept.
        channels, weight_images, threads, on_image: as in `measure_errors`, which also says what is raised.
    """
    sums = measure_errors(
        model, plan, feeds, channels=channels, weight_images=weight_images, threads=threads, on_image=on_image
    )
    rows = _Rows(model, source, plan)
    return tuple(rows.row(name, found) for name, found in sums.items())


def with_effects(errors: Iterable[TensorError], effects: Mapping[str, Mapping[str, float]]) -> tuple[TensorError, ...]:
    """The same errors with the effects on each part (relative L2) that are known, by tensor."""
    return tuple(replace(error, effects=dict(effects.get(error.tensor, error.effects))) for error in errors)


class _Rows:
    def __init__(self, model: Model, source: Model | None, plan: PrecisionPlan) -> None:
        self._plan = plan
        self._values = made_values(model.ir.graph)
        self._regions = regions(model)
        self._depths = {node: depth for depth, node in enumerate(model.ir.graph, start=1)}
        self._sources = {} if source is None else source_names(source, model)

    def row(self, name: str, sums: ErrorSums) -> TensorError:
        """What was measured of one tensor, in relative figures."""
        value = self._values[name]
        producer = value.producer()
        weight = None if sums.weight is None else relative(*sums.weight)
        return TensorError(
            tensor=name,
            op="" if producer is None else producer.name or "",
            op_type="Input" if producer is None else producer.op_type,
            source_ops=() if producer is None else self._source_ops(producer),
            region=self._region(value),
            depth=0 if producer is None else self._depths[producer],
            bits=self._plan.activations[name].bits,
            elements=sums.elements,
            minimum=_finite(sums.minimum),
            maximum=_finite(sums.maximum),
            isolated=relative(sums.isolated, sums.reference),
            grid=relative(sums.grid, sums.reference),
            weight=weight,
            accumulated=relative(sums.accumulated, sums.reference),
            cosine=sums.cosine,
            saturated=sums.saturated / sums.count if sums.count else 0.0,
            channels=()
            if sums.channels is None
            else tuple(relative(error, reference) for error, reference in sums.channels.T.tolist()),
        )

    def _source_ops(self, producer: ir.Node) -> tuple[str, ...]:
        names = [node.name or "" for node in fused_nodes(producer, self._plan)]
        found = [source for name in names for source in self._sources.get(name, (name,))]
        return tuple(dict.fromkeys(found))

    def _region(self, value: ir.Value) -> str:
        """Region of the node that makes a tensor; that of the first reader for a network input."""
        nodes = [node for node in (value.producer(), *(usage.node for usage in value.uses())) if node is not None]
        known = [self._regions[node.name or ""] for node in nodes if (node.name or "") in self._regions]
        return known[0] if known else "stem"


def _finite(value: float) -> float:
    """JSON has no infinities: what is not finite becomes the largest float32, NaN becomes 0."""
    return float(np.nan_to_num(value, nan=0.0, posinf=_LARGEST, neginf=-_LARGEST))
