"""What an `.nb` file says of itself, of real files of opt and of hostile ones."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgewright.errors import BundleError
from edgewright.targets.paddlelite.flat import Buffer, Malformed
from edgewright.targets.paddlelite.nb import parse_nb, read_nb, settled
from tests.targets.paddlelite.files import HEADER, NB, nb_bytes, with_program


@pytest.mark.parametrize(
    ("name", "version", "places"),
    [
        ("x86", "2.12", {"host": 4, "x86": 2}),
        ("arm", "2.12", {"arm": 3, "host": 3}),
        ("arm_x86", "2.12", {"arm": 3, "host": 3}),
        ("x86_arm", "2.12", {"arm": 1, "host": 3, "x86": 2}),
        ("old", "2.10", {"host": 4, "x86": 2}),
    ],
)
def test_a_file_says_who_wrote_it_and_where_each_op_lies(name: str, version: str, places: dict[str, int]) -> None:
    nb = read_nb(NB / f"{name}.nb")
    assert (nb.version, nb.places()) == (version, places)
    assert [op.op for op in nb.ops] == ["feed", "conv2d", "reshape2", "elementwise_add", "hard_sigmoid", "fetch"]
    assert (len(nb.feeds), nb.feeds, len(nb.fetches), nb.weights) == (1, ("image",), 1, 2)


def test_the_op_on_another_processor_is_found() -> None:
    (op,) = parse_nb(nb_bytes("x86_arm")).elsewhere({1, 2})
    assert (op.op, op.kernel, op.processor) == ("hard_sigmoid", "hard_sigmoid/def/4/1/1", 4)
    assert not parse_nb(nb_bytes("x86")).elsewhere({1, 2})


def test_stored_weights_are_seen() -> None:
    assert {op.op: op.weight_bits for op in parse_nb(nb_bytes("int8")).ops if op.weight_bits} == {"conv2d": 8}
    assert not [op for op in parse_nb(nb_bytes("x86")).ops if op.weight_bits]


def test_two_builds_of_one_model_are_one_artifact() -> None:
    """opt leaves what lay in memory behind its version."""
    first, again = nb_bytes("x86"), nb_bytes("again")
    assert first != again
    assert settled(first) == settled(again)
    assert parse_nb(first).digest == parse_nb(again).digest
    assert parse_nb(settled(first)).version == "2.12"


def test_a_change_anywhere_else_is_another_artifact() -> None:
    data = nb_bytes("x86")
    changed = data[:-1] + bytes([data[-1] ^ 1])
    assert parse_nb(changed).digest != parse_nb(data).digest


@pytest.mark.parametrize("length", [0, 1, 17, 25, 26, 200, 3000, 5000, 5901])
def test_a_file_that_is_cut_short_is_refused(length: int) -> None:
    data = nb_bytes("x86")
    assert length < len(data)
    with pytest.raises(BundleError, match=r"no \.nb file"):
        parse_nb(data[:length])


def test_a_tail_is_refused() -> None:
    with pytest.raises(BundleError) as failure:
        parse_nb(nb_bytes("x86") + b"\0")
    assert "its weights end at byte 5902, the file at byte 5903" in failure.value.why


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"\x08\x00" + b"\0" * 100, "its format is 8"),
        (struct.pack("<H16sQ", 2, b"v2.12", 2**63) + b"\0" * 50, "9223372036854775808 bytes"),
        (with_program(struct.pack("<I", 2**31)), "an offset points to byte 2147483648"),
        (with_program(b"\0" * 64), "no op"),
        (with_program(b""), "an offset points to byte 0 of 0"),
        (with_program(b"\0" * 64, struct.pack("<HHHHI", 7, 0, 6, 0, 0)), "its weights have the format 7"),
        (with_program(b"\0" * 64, struct.pack("<HHHHII", 0, 0, 6, 1, 0, 2**32 - 1)), "its weights end at byte"),
    ],
)
def test_what_is_no_such_file_is_refused(data: bytes, why: str) -> None:
    with pytest.raises(BundleError) as failure:
        parse_nb(data, "model.nb")
    assert why in failure.value.why
    assert failure.value.where == "model.nb"


def test_an_op_that_names_no_kernel_is_refused() -> None:
    """Nobody knows where it would run."""
    with pytest.raises(BundleError) as failure:
        parse_nb(nb_bytes("x86").replace(b"conv2d/def/2/1/1", b"conv2d-def-2-1-1"))
    assert "'conv2d' names no kernel" in failure.value.why


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="cannot be read"):
        read_nb(tmp_path / "nothing.nb")


def test_a_small_file_cannot_claim_a_great_deal_of_work() -> None:
    """Vectors and strings may share bytes, so that their lengths say nothing of the size of the file."""
    data = nb_bytes("x86")
    length = struct.unpack_from("<Q", data, 18)[0]
    program = data[HEADER : HEADER + length]
    with pytest.raises(Malformed, match="claim more than"):
        list(Buffer(program, items=0).root().tables(0))
    with pytest.raises(Malformed, match="a string at byte"):
        [op.text(0) for block in Buffer(program, letters=3).root().tables(0) for op in block.tables(3)]


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 5901), st.integers(1, 255), st.integers(0, 5901), st.integers(1, 255))
def test_damage_is_refused_or_read_and_never_worse(first: int, one: int, second: int, two: int) -> None:
    data = bytearray(nb_bytes("x86_arm"))
    data[first % len(data)] ^= one
    data[second % len(data)] ^= two
    try:
        nb = parse_nb(bytes(data))
    except BundleError:
        return
    assert nb.ops


def test_a_number_that_no_processor_has_is_refused() -> None:
    """Python does not even read a number of 5000 digits."""
    with pytest.raises(BundleError) as failure:
        parse_nb(nb_bytes("x86").replace(b"conv2d/def/2/1/1", b"c//123456789/1/1"))
    assert "'conv2d' names no kernel" in failure.value.why
