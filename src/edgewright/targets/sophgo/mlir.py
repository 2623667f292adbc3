"""Reading TPU-MLIR's text: the ops of a module, the names of their tensors, how wide they are and on which grid.

One op stands on one line, `%4 = "tpu.Conv2D"(%2, %3) {...} : (types) -> type loc(#loc7)`, and locations are written at
the end of the file, `#loc7 = loc("r_Relu")`. An op with several results has a fused location of as many names. Source:
output of TPU-MLIR 1.6 and 1.30.2; the text format is MLIR's.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from edgewright.errors import ToolchainError

_OP = re.compile(r'^\s*(?P<results>%[\w:]+) = "(?P<kind>\w+\.\w+)"\((?P<operands>[^)]*)\)(?P<rest>.*)$')
_LOCATION = re.compile(r"^(#loc\d*) = loc\((.*)\)$", re.MULTILINE)
_NAME = re.compile(r'"((?:[^"\\]|\\.)*)"')
_REFERENCE = re.compile(r"#loc\d*")
_TYPE = re.compile(
    r"tensor<(?P<shape>(?:[\d?]+x)*)(?:!quant\.(?P<form>\w+)<(?P<quant>[^>]*(?:<[^>]*>)?)>|(?P<plain>\w+))>|none"
)
_UNIFORM = re.compile(r"^(?P<store>[iu]\d+)(?::\w+)?, (?P<scale>[-+.\deE]+)(?::(?P<zero>-?\d+))?$")
_CALIBRATED = re.compile(r"^(?P<store>\w+)<")
_CONVERSIONS = frozenset({"tpu.Cast", "tpu.RequantInt", "tpu.DequantInt", "tpu.RequantFp", "tpu.MulShift"})
_HOST_CONVERSION = re.compile(r'cpu_op_name = "(?:de)?quant"')
_NOT_COMPUTED = frozenset({"top.Weight", "top.None", "top.Input"})


@dataclass(frozen=True)
class TensorType:
    """Element type of a tensor.

    Attributes:
        store: how it is stored: "i8", "u8", "i16", "f32", "f16", "bf16", "i32"...; empty for none at all.
        scale: step of the grid; None for real values.
        zero_point: code of 0.
        shape: sizes; 0 for one that is not known.
    """

    store: str
    scale: float | None = None
    zero_point: int = 0
    shape: tuple[int, ...] = ()

    @property
    def precision(self) -> str:
        """In the words of a precision plan: "int8", "int16" or "float"; "other" for indices and the like."""
        if self.scale is not None:
            return "int16" if self.store.endswith("16") else "int8"
        return "float" if self.store in ("f32", "f16", "bf16") else "other"


@dataclass(frozen=True)
class MlirOp:
    """One op.

    Attributes:
        kind: dialect and name, "tpu.Conv2D".
        names: names of its results' tensors.
        types: element types of its results.
        operands: names of the tensors that it reads; empty for those without a name.
        text: everything behind the operands, for attributes.
    """

    kind: str
    names: tuple[str, ...]
    types: tuple[TensorType, ...]
    operands: tuple[str, ...]
    text: str

    @property
    def computes(self) -> bool:
        """False for weights, inputs and the placeholder of an operand that is not there."""
        return self.kind not in _NOT_COMPUTED

    @property
    def converts(self) -> bool:
        """Whether it only takes values from one grid or type to another."""
        on_host = self.kind == "tpu.GenericCpu" and _HOST_CONVERSION.search(self.text) is not None
        return on_host or (self.kind in _CONVERSIONS and "const_val" not in self.text)


def parse_mlir(text: str) -> list[MlirOp]:
    """The ops of a module, in order.

    Raises:
        ToolchainError: no op was found: the text is cut off, or of a form that is not known.
    """
    locations = _locations(text)
    made: dict[str, str] = {}
    ops: list[MlirOp] = []
    for line in text.splitlines():
        found = _OP.match(line)
        if found is None:
            continue
        body, _, where = found["rest"].rpartition(" loc(")
        names = _names(where[:-1], locations)
        result, _, count = found["results"].partition(":")
        for index, name in enumerate(names):
            made[f"{result}#{index}" if count else result] = name
        results = body.rpartition(" -> ")[2] if " -> " in body else ""
        ops.append(
            MlirOp(
                kind=found["kind"],
                names=names,
                types=tuple(_type(match) for match in _TYPE.finditer(results)),
                operands=tuple(made.get(operand.strip(), "") for operand in found["operands"].split(",")),
                text=body,
            )
        )
    if not ops:
        raise ToolchainError(
            "TPU-MLIR wrote a module that cannot be read",
            why=f"no op was found in {len(text)} characters",
            todo="report this with the version of TPU-MLIR; the file lies in the run directory",
        )
    return ops


def computed(ops: Iterable[MlirOp]) -> list[MlirOp]:
    """The ops that compute something on the chip."""
    return [op for op in ops if op.computes]


def tensor_types(ops: Iterable[MlirOp]) -> dict[str, TensorType]:
    """Element type of each named tensor."""
    return {name: kind for op in ops for name, kind in zip(op.names, op.types, strict=False)}


def _locations(text: str) -> dict[str, str]:
    return {match[1]: match[2] for match in _LOCATION.finditer(text)}


def _names(where: str, locations: dict[str, str]) -> tuple[str, ...]:
    """Names at a location, which refers to others where an op has several results."""
    body = locations.get(where, where) if where.startswith("#loc") and where in locations else where
    if body.startswith("fused"):
        return tuple(name for part in _REFERENCE.findall(body) for name in _names(part, locations)) or tuple(
            _unescaped(name) for name in _NAME.findall(body)
        )
    found = _NAME.search(body)
    return (_unescaped(found[1]),) if found else ("",)


def _unescaped(name: str) -> str:
    return re.sub(r"\\([0-9A-Fa-f]{2})", lambda found: chr(int(found[1], 16)), name).replace('\\"', '"')


def _type(match: re.Match[str]) -> TensorType:
    shape = tuple(int(size) if size.isdigit() else 0 for size in (match["shape"] or "").split("x") if size)
    if match["plain"]:
        return TensorType(match["plain"], shape=shape)
    if match["quant"] is None:
        return TensorType("")
    if match["form"] == "uniform" and (grid := _UNIFORM.match(match["quant"])):
        return TensorType(grid["store"], float(grid["scale"]), int(grid["zero"] or 0), shape)
    stored = _CALIBRATED.match(match["quant"])
    return TensorType(stored["store"] if stored else match["quant"], shape=shape)
