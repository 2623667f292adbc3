"""A plan in the toolkit's format, and back.

The format is the `.quantization.cfg` of hybrid quantisation: for each tensor of the fused graph a range (a step is
taken from it: (max - min) / 255), and by name the tensors whose ops are not in int8. JSON is YAML, and keeps every
digit. The toolkit takes ranges of activations; weights it quantises itself, per channel, from their range, with a zero
point.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edgewright.errors import ToolchainError
from edgewright.files import write_json_atomic
from edgewright.graph.model import Model
from edgewright.quant.plan import Precision, PrecisionPlan
from edgewright.quant.statistics import Range
from edgewright.targets.rockchip.fused import FusedNode, match_tensors, planned_precisions
from edgewright.tensors import QUANTISED_DTYPES, Grid

PLAN_FILE, MATCH_FILE = "plan.quantization.cfg", "match.json"
_WORDS: dict[Precision, str] = {"int8": "int8", "int16": "int16", "float": "float16"}
_PRECISIONS: dict[str, Precision] = {"int8": "int8", "int16": "int16", "float16": "float", "float32": "float"}


@dataclass(frozen=True)
class Prepared:
    """What the toolkit's first step gave.

    Attributes:
        nodes: the fused graph, in the order of computation.
        parameters: for each tensor what the toolkit would quantise it with.
        matched: name in the prepared model, by name in the fused graph.
    """

    nodes: tuple[FusedNode, ...]
    parameters: Mapping[str, Mapping[str, Any]]
    matched: Mapping[str, str]


def prepared_from(reply: Mapping[str, Any], model: Model, ranges: Mapping[str, Range]) -> Prepared:
    """The worker's answer to `prepare`, joined to the prepared model."""
    nodes = tuple(FusedNode.from_json(node) for node in reply["nodes"])
    parameters: Mapping[str, Mapping[str, Any]] = reply["parameters"]
    return Prepared(nodes, parameters, match_tensors(nodes, parameters, model, ranges))


def write_config(prepared: Prepared, model: Model, plan: PrecisionPlan, folder: Path) -> Path:
    """Write `plan.quantization.cfg` and, beside it, which tensor is which.

    Raises:
        ToolchainError: an op that is to be wider than int8 is nowhere in the fused graph.
    """
    precisions = planned_precisions(prepared.nodes, prepared.matched, _precision_by_tensor(model, plan))
    _refuse_lost_ops(prepared, model, plan)
    parameters = {name: dict(entry) for name, entry in prepared.parameters.items()}
    planned: dict[str, str] = {}
    for name, entry in parameters.items():
        ours = prepared.matched.get(name, "")
        in_integers = entry["dtype"] == "int8" and precisions.get(name) in ("int8", "int16")
        if in_integers and ours in plan.activations:
            entry["min"], entry["max"] = ([limit] for limit in limits(plan.activations[ours]))
            planned[name] = ours
    wide = _wide_tensors(prepared, precisions)
    write_json_atomic(folder / PLAN_FILE, {"custom_quantize_layers": wide, "quantize_parameters": parameters})
    match = {"matched": dict(prepared.matched), "planned": planned, "precisions": precisions}
    write_json_atomic(folder / MATCH_FILE, match)
    return folder / PLAN_FILE


def limits(grid: Grid) -> Range:
    """Real values of a grid's first and last code, in float64 so that the toolkit finds the same step again."""
    first, last = QUANTISED_DTYPES[grid.dtype]
    step = float(grid.scale.reshape(()))
    zero = int(grid.zero_point.reshape(()))
    return (first - zero) * step, (last - zero) * step


def read_config(path: Path) -> PrecisionPlan:
    """What a written plan says, by names of the prepared model: the form that `write_config` leaves.

    Raises:
        ToolchainError: the file or the one beside it is missing or of another form.
    """
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
        match = json.loads((path.parent / MATCH_FILE).read_text(encoding="utf-8"))
        wide = config["custom_quantize_layers"]
        table = {
            name: {**entry, "dtype": match["precisions"].get(name, "int8")}
            for name, entry in config["quantize_parameters"].items()
        }
        matched: Mapping[str, str] = match["matched"]
    except (OSError, ValueError, KeyError, AttributeError) as error:
        raise ToolchainError("a written plan cannot be read back", where=str(path), why=repr(error)) from error
    activations = {matched[name]: grid_of(entry) for name, entry in table.items() if name in match["planned"]}
    return PrecisionPlan("", activations, {}, {}, origin={"wide": dict(wide)})


def grid_of(entry: Mapping[str, Any]) -> Grid:
    """The grid of a tensor from the toolkit's range; the same rule as in the toolkit.

    Formula: scale = (max - min) / levels, zero point = round(first code - min / scale), read from its configurations.
    """
    dtype = "int16" if entry["dtype"] == "int16" else "int8"
    first, last = QUANTISED_DTYPES[dtype]
    low, high = float(entry["min"][0]), float(entry["max"][0])
    step = max((high - low) / (last - first), float(np.finfo(np.float32).tiny))
    zero = min(max(round(first - low / step), first), last)
    return Grid(dtype, np.asarray(step, np.float32), np.asarray(zero))


def precision_of(dtype: str) -> Precision:
    """What we call a type of the toolkit."""
    return _PRECISIONS.get(dtype, "float")


def _precision_by_tensor(model: Model, plan: PrecisionPlan) -> dict[str, Precision]:
    """Precision of each tensor: that of the op that makes it; of an input, the one it is read in."""
    found: dict[str, Precision] = {
        value.name or "": plan.ops.get(node.name or "", "float") for node in model.ir.graph for value in node.outputs
    }
    for spec in model.inputs:
        grid = plan.activations.get(spec.name)
        found[spec.name] = "float" if grid is None else "int16" if grid.bits == 16 else "int8"
    return found


def _wide_tensors(prepared: Prepared, precisions: Mapping[str, Precision]) -> dict[str, str]:
    """One tensor for each node that is not in int8: the toolkit complains of a second."""
    return {
        node.outputs[0]: _WORDS[precisions[node.outputs[0]]]
        for node in prepared.nodes
        if node.outputs
        and precisions[node.outputs[0]] != "int8"
        and prepared.parameters.get(node.outputs[0], {}).get("dtype") == "int8"
    }


def _refuse_lost_ops(prepared: Prepared, model: Model, plan: PrecisionPlan) -> None:
    """An op whose result has no counterpart, and whose readers neither, would silently keep int8."""
    found = set(prepared.matched.values())
    lost = [
        node.name or ""
        for node in model.ir.graph
        if plan.ops.get(node.name or "", "int8") == "int16" and not _reaches(node.outputs, found)
    ]
    if lost:
        raise ToolchainError(
            f"the op {lost[0]!r} is to be in 16 bits, but nothing in RKNN-Toolkit2's fused graph computes it",
            why=f"{len(lost)} such ops; ranges were compared on the calibration images",
            todo="report this with the model attached",
        )


def _reaches(values: Sequence[Any], found: set[str]) -> bool:
    """Whether a value or one that is computed from it directly has a counterpart."""
    near = [*values, *(out for value in values for usage in value.uses() for out in usage.node.outputs)]
    return any((value.name or "") in found for value in near)
