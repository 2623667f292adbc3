"""A Paddle program in Paddle Lite's words.

Attributes that newer Paddle leaves out get the value that they have when absent, and ops that Paddle Lite does not know
by their name get that of one that computes the same.

`.pdmodel` is a protobuf (paddle/fluid/framework/framework.proto). Of its messages only the fields that are needed are
described here; all others pass through unread, as protobuf promises.
"""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import DecodeError

from edgewright.errors import ModelError

_FIELD = descriptor_pb2.FieldDescriptorProto
_MESSAGES: Mapping[str, tuple[tuple[str, int, Any, bool], ...]] = {
    "Program": (("blocks", 1, "Block", True),),
    "Block": (("vars", 3, "Tensor", True), ("ops", 4, "Op", True)),
    "Tensor": (("name", 1, _FIELD.TYPE_STRING, False), ("persistable", 3, _FIELD.TYPE_BOOL, False)),
    "Op": (
        ("inputs", 1, "Port", True),
        ("outputs", 2, "Port", True),
        ("type", 3, _FIELD.TYPE_STRING, False),
        ("attrs", 4, "Attr", True),
    ),
    "Port": (("parameter", 1, _FIELD.TYPE_STRING, False), ("arguments", 2, _FIELD.TYPE_STRING, True)),
    "Attr": (
        ("name", 1, _FIELD.TYPE_STRING, False),
        ("type", 2, _FIELD.TYPE_INT32, False),
        ("f", 4, _FIELD.TYPE_FLOAT, False),
    ),
}
"""Of each message: name, number and type of a field, and whether it is repeated."""
_FLOAT = 1
"""`AttrType.FLOAT`."""


@dataclass(frozen=True)
class Wording:
    """What Paddle Lite calls things.

    Attributes:
        defaults: float attributes that an op must have, by its type.
        names: another name for an op that takes and gives the same tensors.
        sheltered: ops whose weights must not be stored as integers.
    """

    defaults: Mapping[str, Mapping[str, float]]
    names: Mapping[str, str]
    sheltered: Collection[str]


def reworded(data: bytes, wording: Wording, where: str, *, shelter: bool = False) -> tuple[bytes, dict[str, int]]:
    """The program in Paddle Lite's words.

    Args:
        data: a `.pdmodel`.
        where: its path, for errors.
        shelter: keep the weights of `wording.sheltered` ops from being stored as integers.

    Returns:
        The program, and in how many ops what was done ("swish: beta = 1").

    Raises:
        ModelError: it is no Paddle program.
    """
    try:
        program = _program_class().FromString(data)
    except DecodeError as error:
        raise _damaged(where, str(error)) from error
    if not any(block.ops for block in program.blocks):
        raise _damaged(where, "it has no op")
    done: Counter[str] = Counter()
    for op in (op for block in program.blocks for op in block.ops):
        if op.type in wording.names:
            name = wording.names[op.type]
            done[f"{op.type}: called {name}"] += 1
            op.type = name
        there = {attribute.name for attribute in op.attrs}
        for name, value in wording.defaults.get(op.type, {}).items():
            if name not in there:
                op.attrs.add(name=name, type=_FLOAT, f=value)
                done[f"{op.type}: {name} = {value:g}"] += 1
    if shelter:
        for block in program.blocks:
            done += _shelter(block, wording.sheltered)
    return (bytes(program.SerializeToString()) if done else data), dict(done)


def _shelter(block: Any, kinds: Collection[str]) -> Counter[str]:
    """Put a copy (`assign`) between such ops and their weights, which are then nothing that opt stores as integers."""
    done: Counter[str] = Counter()
    weights = {tensor.name: tensor for tensor in block.vars if tensor.persistable}
    ops: list[Any] = []
    for op in block.ops:
        for port in op.inputs if op.type in kinds else ():
            for index, name in enumerate(port.arguments):
                if name not in weights:
                    continue
                copy = f"{name}.{len(ops)}.copy"
                tensor = block.vars.add()
                tensor.CopyFrom(weights[name])
                tensor.name, tensor.persistable = copy, False
                ops.append(_assign(type(op), name, copy))
                port.arguments[index] = copy
                done[f"{op.type}: weights kept in float"] += 1
        ops.append(op)
    if done:
        kept = [type(op).FromString(op.SerializeToString()) for op in ops]
        del block.ops[:]
        block.ops.extend(kept)
    return done


def _assign(kind: type, source: str, target: str) -> Any:
    op = kind(type="assign")
    op.inputs.add(parameter="X", arguments=[source])
    op.outputs.add(parameter="Out", arguments=[target])
    return op


def _damaged(where: str, why: str) -> ModelError:
    return ModelError(
        "this is no Paddle program", where=where, why=why, todo="export the model again with PaddlePaddle 2.6.2"
    )


@functools.cache
def _program_class() -> Any:
    file = descriptor_pb2.FileDescriptorProto(name="paddle_program.proto", package="edgewright.paddle", syntax="proto2")
    for title, fields in _MESSAGES.items():
        message = file.message_type.add(name=title)
        for name, number, kind, repeated in fields:
            inner = isinstance(kind, str)
            message.field.add(
                name=name,
                number=number,
                label=_FIELD.LABEL_REPEATED if repeated else _FIELD.LABEL_OPTIONAL,
                type=_FIELD.TYPE_MESSAGE if inner else kind,
                type_name=f".{file.package}.{kind}" if inner else None,
            )
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{file.package}.Program"))
