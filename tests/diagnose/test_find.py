"""Names that a person knows, and the tensors that they stand for."""

from __future__ import annotations

import pytest

from edgewright.diagnose.find import find_tensor
from edgewright.errors import UserError
from edgewright.graph.model import Model
from tests.quant.error_nets import SILU, network, plan_for


@pytest.fixture(scope="module")
def user_file() -> Model:
    """The network under names of another exporter."""
    changed = network().clone()
    for node in changed.graph:
        node.name = f"user/{node.name}"
    return Model(changed)


@pytest.mark.parametrize(
    ("name", "tensor"),
    [
        ("act", "act"),
        ("image", "image"),
        ("c", "act"),
        ("conv", "act"),
        ("sig", "act"),
        ("user/conv", "act"),
        ("user/relu", "r"),
        ("group", "r"),
        ("user/join", "j"),
    ],
)
def test_tensors_nodes_and_nodes_of_the_file(user_file: Model, name: str, tensor: str) -> None:
    model = network()
    assert find_tensor(name, user_file, model, plan_for(model, SILU)) == tensor


def test_a_name_that_nothing_has_is_answered_with_near_ones(user_file: Model) -> None:
    model = network()
    with pytest.raises(UserError, match="'user/joyn' is no tensor and no op") as raised:
        find_tensor("user/joyn", user_file, model, plan_for(model, SILU))
    assert "user/join" in raised.value.todo


def test_an_op_in_float_has_no_error_of_its_own(user_file: Model) -> None:
    model = network()
    plan = plan_for(model, precisions={"soft": "float", "relu": "float", "group": "float", "scale": "float"})
    with pytest.raises(UserError, match="has no grid in this plan"):
        find_tensor("group", user_file, model, plan)
