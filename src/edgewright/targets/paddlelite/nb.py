"""The `.nb` file of Paddle Lite, read without Paddle Lite: which version wrote it, and on which processor each op lies.

    bytes      what
    2          2: version of the format
    16         version of opt ("v2.12"), a NUL, and whatever lay in memory
    8          length of the program
    ...        the program, a flatbuffer: each op says in an attribute which kernel it was given, as
               `conv2d/def/2/1/1`: op, alias, processor, precision, layout
    2 + 2      0, and the length of what follows of it
    2 + 2 + 4  6, number of weights, size of the largest
    4 + ...    each weight: its length, and a flatbuffer

Numbers are little-endian. Source: lite/model_parser of PaddlePaddle/Paddle-Lite (model_parser.cc, flatbuffers/), and
files of 2.10 and 2.12.
"""

from __future__ import annotations

import hashlib
import re
import struct
from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from edgewright.errors import BundleError
from edgewright.targets.paddlelite.flat import Buffer, Malformed, Table

META_VERSION = 2
_NAME = slice(2, 18)
_HEADER = 26
_KERNEL = "__@kernel_type_attr@__"
_PLACE = re.compile(r"([^/]+)/([^/]*)/(\d{1,4})/(\d{1,4})/(\d{1,4})")
_BITS = "quantize_weight_bits"
_MOST_BYTES = 2_000_000_000
_PROCESSORS = {1: "host", 2: "x86", 3: "cuda", 4: "arm", 5: "opencl", 7: "fpga", 8: "npu", 9: "xpu", 18: "nnadapter"}
"""`TargetType` of Paddle Lite's lite/api/paddle_place.h. "host" is plain C++, for whichever processor."""


@dataclass(frozen=True)
class NbOp:
    """An op of the program.

    Attributes:
        op: its type ("conv2d").
        kernel: as the file says it ("conv2d/def/2/1/1").
        processor: number of the processor that the kernel is for; see `processor_name`.
        weight_bits: 8 or 16 where its weights are stored as integers, otherwise 0.
        first: its first output, or input where it has none: what a reader finds it by.
    """

    op: str
    kernel: str
    processor: int
    weight_bits: int
    first: str


@dataclass(frozen=True)
class NbFile:
    """What an `.nb` file says of itself.

    Attributes:
        version: of the opt that wrote it ("2.12"); as it stands there where it is no version.
        ops: of all blocks, in order.
        feeds: names of the inputs, in the order in which the runtime counts them.
        fetches: names of the outputs, likewise.
        weights: number of weights.
        digest: SHA-256 over the file as `settled` gives it: the same for two builds of the same model.
    """

    version: str
    ops: tuple[NbOp, ...]
    feeds: tuple[str, ...]
    fetches: tuple[str, ...]
    weights: int
    digest: str

    def elsewhere(self, processors: Collection[int]) -> tuple[NbOp, ...]:
        """Ops whose kernel is for a processor other than these."""
        return tuple(op for op in self.ops if op.processor not in processors)

    def places(self) -> dict[str, int]:
        """Number of ops by name of the processor that they lie on."""
        return dict(sorted(Counter(processor_name(op.processor) for op in self.ops).items()))


def processor_name(number: int) -> str:
    """Paddle Lite's word for a processor."""
    return _PROCESSORS.get(number, f"processor {number}")


def read_nb(path: Path) -> NbFile:
    """Read an `.nb` file.

    Raises:
        BundleError: it is missing, cut short, or no such file.
    """
    try:
        size = path.stat().st_size
        if size > _MOST_BYTES:
            _refuse(str(path), f"it has {size} bytes, more than {_MOST_BYTES} are not read")
        data = path.read_bytes()
    except OSError as error:
        raise BundleError("an .nb file cannot be read", where=str(path), why=error.strerror or str(error)) from error
    return parse_nb(data, str(path))


def parse_nb(data: bytes, where: str = "") -> NbFile:
    """`read_nb` for the bytes of a file.

    Raises:
        BundleError: they are cut short, or of another form.
    """
    try:
        return _parse(data, where)
    except (Malformed, struct.error) as error:
        _refuse(where, f"it is cut short or damaged: {error}")


def settled(data: bytes) -> bytes:
    """The file with what opt left uninitialised set to zero. The runtime reads the version up to its NUL.

    Two builds of one model differ in these bytes and in no others.
    """
    name = data[_NAME].split(b"\0")[0]
    return data[: _NAME.start] + name.ljust(_NAME.stop - _NAME.start, b"\0") + data[_NAME.stop :]


def _parse(data: bytes, where: str) -> NbFile:
    meta = struct.unpack_from("<H", data)[0]
    if meta != META_VERSION:
        _refuse(where, f"its format is {meta}, that of Paddle Lite 2.7 and later is {META_VERSION}")
    length = struct.unpack_from("<Q", data, _NAME.stop)[0]
    if length > len(data) - _HEADER:
        raise Malformed(f"its program has {length} bytes, {len(data) - _HEADER} are left")
    weights = _count_weights(data, _HEADER + length)
    blocks = list(Buffer(data[_HEADER : _HEADER + length]).root().tables(0))
    tables = [table for block in blocks for table in block.tables(3)]
    ops = tuple(_op(table, where) for table in tables)
    if not ops:
        _refuse(where, "its program has no op")
    return NbFile(
        version=data[_NAME].split(b"\0")[0].decode("ascii", "replace").removeprefix("v"),
        ops=ops,
        feeds=_ports(tables, "feed", 2, "Out"),
        fetches=_ports(tables, "fetch", 1, "X"),
        weights=weights,
        digest=hashlib.sha256(settled(data)).hexdigest(),
    )


def _op(table: Table, where: str) -> NbOp:
    attributes = {attribute.text(0): attribute for attribute in table.tables(3)}
    kernel = attributes[_KERNEL].text(4) if _KERNEL in attributes else ""
    found = _PLACE.fullmatch(kernel)
    if found is None:
        _refuse(where, f"its op {table.text(0)!r} names no kernel ({kernel!r}), so nobody knows where it would run")
    bits = attributes[_BITS].integer(2) if _BITS in attributes else 0
    arguments = [name for field in (2, 1) for name in _arguments(table, field)]
    return NbOp(table.text(0), kernel, int(found[3]), bits, arguments[0] if arguments else "")


def _arguments(table: Table, field: int) -> Iterator[str]:
    for variable in table.tables(field):
        yield from variable.texts(1)


def _ports(tables: list[Table], op: str, field: int, parameter: str) -> tuple[str, ...]:
    """Names at the boundary, by the column that each feed or fetch has."""
    found: dict[int, str] = {}
    for table in tables:
        if table.text(0) == op:
            column = next((entry.integer(2) for entry in table.tables(3) if entry.text(0) == "col"), 0)
            names = [name for entry in table.tables(field) if entry.text(0) == parameter for name in entry.texts(1)]
            found[column] = names[0] if names else ""
    return tuple(found[column] for column in sorted(found))


def _count_weights(data: bytes, place: int) -> int:
    """Walk over the weights: the file must end behind the last one."""
    version, more = struct.unpack_from("<HH", data, place)
    if version != 0:
        raise Malformed(f"its weights have the format {version}, known is 0")
    place += 4 + more
    size, count = struct.unpack_from("<HH", data, place)
    place += 2 + size
    for _ in range(count):
        place += 4 + struct.unpack_from("<I", data, place)[0]
    if place != len(data):
        raise Malformed(f"its weights end at byte {place}, the file at byte {len(data)}")
    return int(count)


def _refuse(where: str, why: str) -> NoReturn:
    raise BundleError(
        "this is no .nb file that Edgewright can tell the place of each op of",
        where=where,
        why=why,
        todo="build it again: `edgewright deploy MODEL --target paddlelite/x86`",
    )
