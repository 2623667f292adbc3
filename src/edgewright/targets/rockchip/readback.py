"""What the toolkit built, from the tables that its simulator computes with."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edgewright.errors import ToolchainError
from edgewright.quant.plan import Precision, PrecisionPlan
from edgewright.targets.rockchip.fused import CONVERSION, FusedNode
from edgewright.targets.rockchip.plan import MATCH_FILE, precision_of
from edgewright.tensors import Grid

BUILT_FILE = "built.json"


@dataclass(frozen=True)
class BuiltGraph:
    """The graph that was built and simulated.

    Attributes:
        nodes: in the order of computation.
        table: type and grid of each tensor; `fused` marks one that the simulator hands on without a grid.
        matched: name in the prepared model, by name in the built graph; only names where nothing is known.
        planned: the same, of tensors that were given a range of ours.
        precisions: what was asked for, by tensor of the fused graph.
    """

    nodes: tuple[FusedNode, ...]
    table: Mapping[str, Mapping[str, Any]]
    matched: Mapping[str, str]
    planned: Mapping[str, str]
    precisions: Mapping[str, Precision]

    @property
    def ends(self) -> Sequence[FusedNode]:
        """Nodes that end a group computed as one, without conversions."""
        return [
            node
            for node in self.nodes
            if node.op != CONVERSION and not all(self.table.get(name, {}).get("fused") for name in node.outputs)
        ]

    def precision(self, tensor: str) -> Precision:
        """In what a tensor was computed."""
        return precision_of(str(self.table.get(tensor, {}).get("dtype", "float16")))

    def counts(self) -> dict[str, Any]:
        """Numbers of ops by precision, and of conversions between types."""
        found: Counter[str] = Counter(self.precision(node.outputs[0]) for node in self.ends if node.outputs)
        conversions = sum(node.op == CONVERSION for node in self.nodes)
        widths = {name: found[name] for name in ("int8", "int16", "float")}
        return {**widths, "conversions": conversions, "fused_away": self._fused_away()}

    def _fused_away(self) -> int:
        return sum(bool(entry.get("fused")) for entry in self.table.values())

    def plan(self) -> PrecisionPlan:
        """Grids of the built graph by names of the prepared model; only those whose tensor kept its name are sure to
        be laid out as there, but a grid of a whole tensor does not depend on that."""
        activations: dict[str, Grid] = {}
        for name, ours in self.matched.items():
            entry = self.table.get(name)
            if entry and not entry["fused"] and entry["dtype"] in ("int8", "int16") and len(entry["scale"]) == 1:
                activations.setdefault(ours, _grid(entry))
        weights = {
            name: _grid(entry)
            for name, entry in self.table.items()
            if entry["dtype"] == "int8" and len(entry["scale"]) > 1 and min(entry["scale"]) > 0
        }
        return PrecisionPlan("", activations, weights, {}, origin={"toolchain": "read back"})


def read_built(folder: Path) -> BuiltGraph:
    """What `build` left in a folder.

    Raises:
        ToolchainError: the file is missing or of another form.
    """
    path = folder / BUILT_FILE
    try:
        built = json.loads(path.read_text(encoding="utf-8"))
        nodes = tuple(FusedNode.from_json(node) for node in built["nodes"])
        table: Mapping[str, Mapping[str, Any]] = built["table"]
        match_path = folder / MATCH_FILE
        match = json.loads(match_path.read_text(encoding="utf-8")) if match_path.is_file() else {}
    except (OSError, ValueError, KeyError) as error:
        raise ToolchainError(
            "what RKNN-Toolkit2 built cannot be read back",
            where=str(path),
            why=repr(error),
            todo="build again; if that does not help, report it with the version of the toolkit",
        ) from error
    names = {name: name for name in table}
    return BuiltGraph(nodes, table, match.get("matched", names), match.get("planned", {}), match.get("precisions", {}))


def _grid(entry: Mapping[str, Any]) -> Grid:
    scale, zero = np.asarray(entry["scale"], np.float32), np.asarray(entry["zero_point"], np.int64)
    if scale.size == 1:
        return Grid(str(entry["dtype"]), scale.reshape(()), zero.reshape(()))
    return Grid(str(entry["dtype"]), scale, zero, 0)
