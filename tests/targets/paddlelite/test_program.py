"""A Paddle program in Paddle Lite's words, and the tool's answer about its ops."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgewright.errors import ModelError, UserError
from edgewright.targets.facts import load_facts
from edgewright.targets.paddlelite.ops import OpSupport, check_support, parse_support
from edgewright.targets.paddlelite.program import Wording, _program_class, reworded
from tests.targets.paddlelite.files import program_bytes

SAID = """OPs in the input model include:
                                        OP_name  kHost  kX86
                                         conv2d            Y
                                           feed      Y
                                     hard_swish      Y     Y
"""


def wording() -> Wording:
    return Wording(**load_facts("paddlelite")["words"])


def ops_of(data: bytes) -> list[object]:
    return [op for block in _program_class().FromString(data).blocks for op in block.ops]


def test_a_program_in_the_right_words_stays_as_it_is() -> None:
    data, done = reworded(program_bytes(), Wording({}, {}, ()), "x")
    assert (data, done) == (program_bytes(), {})


def test_what_newer_paddle_leaves_out_is_written_in() -> None:
    data, done = reworded(program_bytes(), wording(), "x")
    assert done == {"swish: beta = 1": 1}
    (swish,) = [op for op in ops_of(data) if op.type == "swish"]  # type: ignore[attr-defined]
    (beta,) = [attribute for attribute in swish.attrs if attribute.name == "beta"]  # type: ignore[attr-defined]
    assert (beta.f, beta.type) == (1.0, 1)
    assert reworded(data, wording(), "x") == (data, {}), "once is enough"


def test_everything_else_passes_through_unread() -> None:
    data, _ = reworded(program_bytes(), wording(), "x")
    added = len(b"beta") + 13  # a name, a type, a value, and their tags and lengths
    assert 0 < len(data) - len(program_bytes()) < added + 8


def test_an_op_gets_the_name_that_paddle_lite_knows() -> None:
    renamed, _ = reworded(program_bytes(), Wording({}, {"swish": "silu"}, ()), "x")
    data, done = reworded(renamed, wording(), "x")
    assert done == {"silu: called swish": 1, "swish: beta = 1": 1}
    assert "silu" not in {op.type for op in ops_of(data)}  # type: ignore[attr-defined]


def test_weights_that_the_runtime_forgets_are_kept_behind_a_copy() -> None:
    data, done = reworded(program_bytes(), wording(), "x", shelter=True)
    assert done["matmul_v2: weights kept in float"] == 1
    ops = ops_of(data)
    (at,) = [index for index, op in enumerate(ops) if op.type == "matmul_v2"]  # type: ignore[attr-defined]
    copy, product = ops[at - 1], ops[at]
    assert copy.type == "assign"  # type: ignore[attr-defined]
    (source,) = copy.inputs[0].arguments  # type: ignore[attr-defined]
    (target,) = copy.outputs[0].arguments  # type: ignore[attr-defined]
    assert target in [name for port in product.inputs for name in port.arguments]  # type: ignore[attr-defined]
    (block,) = _program_class().FromString(data).blocks
    persistable = {tensor.name: tensor.persistable for tensor in block.vars}
    assert (persistable[source], persistable[target]) == (True, False)
    assert len(ops) == len(ops_of(program_bytes())) + 1


@pytest.mark.parametrize(
    "data",
    [b"", b"\x08\x00", b"PK\x03\x04 no protobuf", program_bytes()[: len(program_bytes()) // 2]],
    ids=["empty", "no-op", "zip", "cut"],
)
def test_what_is_no_program_is_refused(data: bytes) -> None:
    with pytest.raises(ModelError, match="no Paddle program") as failure:
        reworded(data, wording(), "model.pdmodel")
    assert failure.value.where == "model.pdmodel"


def test_the_tools_text_tells_what_its_status_does_not() -> None:
    """It ends with status 1 where all is well."""
    found = parse_support(SAID + "Paddle-Lite supports this model!\n")
    assert found is not None
    assert found.missing == ()
    assert found.kernels == {"conv2d": ("X86",), "feed": ("Host",), "hard_swish": ("Host", "X86")}


def test_ops_without_a_kernel_are_all_named() -> None:
    line = "Error: This model is not supported, because 2 ops are not supported on 'x86'. "
    found = parse_support(f"{SAID}{line}These unsupported ops are: 'determinant', 'silu'.\n")
    assert found is not None
    assert found.missing == ("determinant", "silu")
    with pytest.raises(UserError, match="paddlelite/x86 has no kernel for determinant, silu") as failure:
        check_support(found, "paddlelite/x86", "2.12", Path("model.pdmodel"))
    assert "asked before building" in failure.value.why


def test_a_text_that_says_neither_is_no_answer() -> None:
    assert parse_support(SAID) is None
    assert parse_support("") is None


def test_a_program_whose_ops_are_all_there_is_let_through() -> None:
    check_support(OpSupport({}, ()), "paddlelite/x86", "2.12", Path("model.pdmodel"))
