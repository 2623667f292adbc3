"""Loading: damaged and hostile files get a message, never a traceback from deep inside."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import onnx.external_data_helper
import pytest

from edgewright.errors import ModelError
from edgewright.graph.io import load_model, save_model
from edgewright.graph.model import Model
from edgewright.graph.reference import ReferenceSession


def external(folder: Path, location: str = "weights.bin") -> Path:
    """A model whose one weight lies in a file beside it."""
    proto = onnx.parser.parse_model(
        """<ir_version: 8, opset_import: ["" : 17]>
        g (float[1,4] x) => (float[1,4] y) { y = Add (x, w) }"""
    )
    proto.graph.initializer.append(onnx.numpy_helper.from_array(np.arange(4, dtype=np.float32)[None], "w"))
    path = folder / "model.onnx"
    onnx.external_data_helper.convert_model_to_external_data(proto, location="weights.bin", size_threshold=0)
    onnx.save(proto, str(path))
    if location != "weights.bin":
        damaged = onnx.load(str(path), load_external_data=False)
        damaged.graph.initializer[0].external_data[0].value = location
        path.write_bytes(damaged.SerializeToString())
    return path


def test_round_trip_keeps_the_function(conv_model: Model, tmp_path: Path) -> None:
    save_model(conv_model, tmp_path / "m.onnx")
    again = load_model(tmp_path / "m.onnx")
    image = np.random.default_rng(1).random((1, 3, 8, 8), np.float32)
    expected = ReferenceSession(conv_model.data)({"image": image})["scores"]
    assert np.array_equal(ReferenceSession(again.data)({"image": image})["scores"], expected)
    assert again.inputs[0].shape == (1, 3, 8, 8)
    assert again.digest == load_model(tmp_path / "m.onnx").digest


def test_external_data_is_read(tmp_path: Path) -> None:
    model = load_model(external(tmp_path))
    result = ReferenceSession(model.data)({"x": np.zeros((1, 4), np.float32)})["y"]
    assert result.tolist() == [[0, 1, 2, 3]]


def write(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


def truncated(folder: Path) -> Path:
    whole = external(folder).read_bytes()
    big = onnx.ModelProto.FromString(whole)
    big.graph.initializer.append(onnx.numpy_helper.from_array(np.zeros(4096, np.float32), "pad"))
    return write(folder / "cut.onnx", big.SerializeToString()[:-3000])


def zero_byte_data(folder: Path) -> Path:
    path = external(folder)
    (folder / "weights.bin").write_bytes(b"")
    return path


def missing_data(folder: Path) -> Path:
    path = external(folder)
    (folder / "weights.bin").unlink()
    return path


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda folder: folder / "none.onnx", "there is no file"),
        (lambda folder: folder, "is a folder"),
        (lambda folder: write(folder / "e.onnx", b""), "is empty"),
        (lambda folder: write(folder / "t.onnx", b"hello, I am a text file\n" * 40), "not an ONNX model"),
        (lambda folder: write(folder / "j.onnx", b'{"a": 1}'), "ONNX"),
        (truncated, "truncated"),
        (zero_byte_data, "incomplete"),
        (missing_data, "is missing"),
        (lambda folder: external(folder, "../secret.bin"), "outside the folder"),
        (lambda folder: external(folder, "/etc/passwd"), "outside the folder"),
    ],
)
def test_bad_files_are_refused_with_the_reason(make: Callable[[Path], Path], words: str, tmp_path: Path) -> None:
    folder = tmp_path / "models"
    folder.mkdir()
    (tmp_path / "secret.bin").write_bytes(b"\0" * 16)
    with pytest.raises(ModelError, match=words) as caught:
        load_model(make(folder))
    assert caught.value.exit_status == 2
    assert caught.value.todo


def test_external_data_through_a_symlink_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "models"
    folder.mkdir()
    path = external(folder)
    (tmp_path / "secret.bin").write_bytes((folder / "weights.bin").read_bytes())
    (folder / "weights.bin").unlink()
    (folder / "weights.bin").symlink_to(tmp_path / "secret.bin")
    with pytest.raises(ModelError, match="outside the folder"):
        load_model(path)
