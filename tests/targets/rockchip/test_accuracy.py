"""The toolkit's table of errors, as 2.3.2 wrote it, and which tensor of the fused graph is asked for."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgewright.errors import ToolchainError
from edgewright.targets.rockchip.accuracy import by_tensor, errors_of_single_layers, places
from edgewright.targets.rockchip.fused import FusedNode
from edgewright.targets.rockchip.readback import BuiltGraph
from tests.targets.rockchip.graphs import NODES

TABLES = Path(__file__).parent / "tables"


def test_the_last_column_is_read() -> None:
    found = errors_of_single_layers((TABLES / "small.txt").read_text(encoding="utf-8"))
    assert list(found) == ["x", "x_int8", "c", "m", "d", "n", "p", "y_int8", "y"]
    assert (found["m"], found["p"], found["y"]) == (0.0531, 0.3457, 0.3894)


def test_rows_without_figures_are_passed_over() -> None:
    found = errors_of_single_layers((TABLES / "excerpt.txt").read_text(encoding="utf-8"))
    assert found["/model.3/layers/layers.1/c/Conv_output_0"] == 320.02
    assert found["/model.35/Split_output_0-rs"] == 38.534
    assert "/model.35/Split_output_1-rs" not in found
    assert not any(name.startswith("[") or name != name.strip() for name in found)


def test_another_form_is_an_error() -> None:
    with pytest.raises(ToolchainError, match="cannot be read"):
        errors_of_single_layers("layer_name  simulator_error\nm 0.1 0.2\n")


def test_a_tensor_is_asked_for_under_its_own_name_or_that_of_the_op_that_makes_it() -> None:
    nodes = tuple(FusedNode.from_json(node) for node in NODES)
    matched = {"x_int8": "x", "c": "c", "m": "m", "d": "d", "n": "n", "p": "z", "y_int8": "y", "y": "y"}
    found = places(BuiltGraph(nodes, {}, matched, {}, {}))
    assert found == {"c": "c", "m": "m", "d": "d", "n": "n", "z": "p", "y": "y", "x": "x_int8"}
    del matched["y"]
    assert places(BuiltGraph(nodes, {}, matched, {}, {}))["y"] == "y_int8"
    assert by_tensor({"p": 2.0, "q": 1.0}, {"z": "p", "y": "y"}) == {"z": 4.0}
