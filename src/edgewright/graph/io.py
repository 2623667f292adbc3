"""Loading and saving ONNX files, on the assumption that a file may be damaged or hostile."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import onnx
import onnx_ir as ir
from google.protobuf.message import DecodeError

from edgewright.errors import ModelError
from edgewright.files import write_bytes_atomic
from edgewright.graph.model import Model

MAX_MODEL_BYTES = 2**31 - 1  # protobuf refuses more in one message


def load_model(path: str | Path) -> Model:
    """Read an ONNX file, with its external data.

    Raises:
        ModelError: the file is missing, empty, truncated, not ONNX, too large, or refers to data that is missing or
            lies outside its folder.
    """
    path = Path(path)
    proto = _read(path)
    check_external_data(proto, path)
    return Model(_to_ir(proto, path), path)


def model_files(path: Path) -> list[Path]:
    """The file of a model and every file that holds its external data, sorted; nothing but the first is read.

    Raises:
        ModelError: as `load_model`, but for a graph that is damaged.
    """
    proto = _read(path)
    return [path, *sorted(check_external_data(proto, path))]


def _read(path: Path) -> onnx.ModelProto:
    _check_file(path)
    try:
        proto: onnx.ModelProto = onnx.ModelProto.FromString(path.read_bytes())
    except DecodeError as error:
        raise ModelError(
            "this file is not an ONNX model, or it is truncated",
            where=str(path),
            why=f"protobuf: {error}",
            todo="export the model again, or fetch the file again and compare its size",
        ) from None
    if not proto.graph.node or not proto.graph.output:
        raise ModelError(
            "this file holds no ONNX graph",
            where=str(path),
            why=f"it has {len(proto.graph.node)} nodes and {len(proto.graph.output)} outputs",
            todo="pass the .onnx file that your framework exported",
        )
    return proto


def save_model(model: Model, path: Path) -> None:
    """Write the model as one file; the file appears complete or not at all."""
    write_bytes_atomic(path, model.data)


def _to_ir(proto: onnx.ModelProto, path: Path) -> ir.Model:
    try:
        onnx.load_external_data_for_model(proto, str(path.parent))
        return ir.from_proto(proto)
    except (ValueError, TypeError, KeyError, OSError, RuntimeError, onnx.checker.ValidationError) as error:
        raise ModelError(
            "the ONNX graph in this file is damaged",
            where=str(path),
            why=f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else 'no message'}",
            todo="export the model again; `python -m onnx.checker` may tell more",
        ) from error


def _check_file(path: Path) -> None:
    if not path.exists():
        raise ModelError(f"there is no file {path}", todo="check the path; a model is an .onnx file or a Paddle export")
    if path.is_dir():
        raise _folder_error(path)
    size = path.stat().st_size
    if size == 0:
        raise ModelError("the model file is empty (0 bytes)", where=str(path), todo="export or copy the model again")
    if size > MAX_MODEL_BYTES:
        raise ModelError(
            f"the model file has {size / 2**30:.1f} GiB, more than the 2 GiB that one protobuf may have",
            where=str(path),
            todo="save it with external data (onnx.save(..., save_as_external_data=True))",
        )


def _folder_error(path: Path) -> ModelError:
    """For a folder that no source takes: a bundle, a run directory or another one."""
    made = {"manifest.json": "a bundle", "recipe.toml": "a run directory"}
    for name, what in made.items():
        if (path / name).exists():
            return ModelError(
                f"{path} is a folder, not a model",
                why=f"it holds {name}, so it is {what}",
                todo=f"pass the model that {what} was made from",
            )
    return ModelError(
        f"{path} is a folder, not a model",
        why="it holds no Paddle program: neither a .pdmodel nor a .json of Paddle 3",
        todo="pass an .onnx file, or the folder that PaddleDetection exported",
    )


def check_external_data(proto: onnx.ModelProto, path: Path) -> set[Path]:
    """Refuse external data that is missing, too short, or not inside the folder of the model; the files otherwise."""
    folder = path.parent.resolve()
    found: set[Path] = set()
    for tensor in _tensors(proto.graph, *proto.functions):
        if tensor.data_location != onnx.TensorProto.EXTERNAL:
            continue
        fields = {entry.key: entry.value for entry in tensor.external_data}
        location = fields.get("location", "")
        target = (folder / location).resolve()
        if not location or Path(location).is_absolute() or not target.is_relative_to(folder):
            raise ModelError(
                f"external data of {tensor.name!r} points outside the folder of the model",
                where=str(path),
                why=f"location is {location!r}",
                todo="do not trust this file; a model made by an exporter names a file beside it",
            )
        _check_data_file(tensor, target, fields, path)
        found.add(target)
    return found


def _tensors(*graphs: onnx.GraphProto | onnx.FunctionProto) -> Iterator[onnx.TensorProto]:
    """Every tensor of the graphs: weights, values of attributes, and those of graphs inside nodes."""
    for graph in graphs:
        if isinstance(graph, onnx.GraphProto):
            yield from graph.initializer
        for node in graph.node:
            for attribute in node.attribute:
                if attribute.HasField("t"):
                    yield attribute.t
                yield from attribute.tensors
                yield from _tensors(*([attribute.g] if attribute.HasField("g") else []), *attribute.graphs)


def _check_data_file(tensor: onnx.TensorProto, target: Path, fields: dict[str, str], path: Path) -> None:
    if not target.is_file():
        raise ModelError(
            f"external data of {tensor.name!r} is missing",
            where=str(target),
            why=f"{path.name} keeps its weights in {target.name}",
            todo="copy both files, side by side",
        )
    try:
        start, length = int(fields.get("offset", 0)), int(fields.get("length", 0))
    except ValueError:
        start = length = -1
    have = target.stat().st_size
    if start < 0 or length < 0 or start + length > have or have == 0:
        raise ModelError(
            f"external data of {tensor.name!r} is incomplete",
            where=str(target),
            why=f"bytes {start}..{start + length} are wanted, the file has {have}",
            todo="copy the data file again",
        )
