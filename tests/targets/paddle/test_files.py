"""What Paddle would die of is refused before it is asked."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgewright.errors import UserError
from edgewright.targets.paddle.files import check_files, reads
from tests.helpers import model_from_text


def export(folder: Path, name: str = "model.pdmodel", begin: bytes = b"\x0a\x05rest") -> tuple[Path, Path]:
    (folder / name).write_bytes(begin)
    (folder / "model.pdiparams").write_bytes(b"weights")
    return folder / name, folder / "model.pdiparams"


def refusal(program: Path, weights: Path, version: str = "2.6.2") -> UserError:
    with pytest.raises(UserError) as failure:
        check_files(program, weights, version)
    return failure.value


def test_files_that_look_right_pass(tmp_path: Path) -> None:
    check_files(*export(tmp_path), "2.6.2")
    check_files(*export(tmp_path), "3.3.1")
    check_files(*export(tmp_path, "model.json", b' \n{"base_code": 1}'), "3.0.0rc1")


@pytest.mark.parametrize("which", [0, 1])
def test_a_file_that_is_missing_or_empty(tmp_path: Path, which: int) -> None:
    """3.3.1 computes without its weights, and says nothing."""
    files = export(tmp_path, "model.json", b"{}")
    files[which].write_bytes(b"")
    what = ("program", "weights")[which]
    assert f"the {what} of the Paddle model is empty" in str(refusal(*files, "3.3.1"))
    files[which].unlink()
    assert f"the {what} of the Paddle model is missing" in str(refusal(*files, "3.3.1"))


def test_an_onnx_file_by_any_name(tmp_path: Path) -> None:
    text = '<ir_version: 8, opset_import: ["" : 13]> g (float[1] x) => (float[1] y) { y = Relu (x) }'
    data = model_from_text(text).data
    assert "a program is a .pdmodel" in refusal(*export(tmp_path, "model.onnx", data)).why
    assert "whatever its name says" in refusal(*export(tmp_path, "model.pdmodel", data)).what
    assert "whatever its name says" in refusal(*export(tmp_path, "model.json", data), "3.3.1").what


def test_a_json_for_a_version_that_has_no_such_format(tmp_path: Path) -> None:
    error = refusal(*export(tmp_path, "model.json", b"{}"))
    assert error.what == "Paddle 2.6.2 does not read model.json"
    assert "3.3.1" in error.todo
    assert not reads("2.6.2", Path("model.json"))
    assert reads("3.0.0rc1", Path("model.json"))
    assert reads("3.3.1", Path("model.pdmodel"))
