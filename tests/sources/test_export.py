"""Finding an export's parts, and saying which one is missing or damaged, before Paddle could die of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgewright.errors import ModelError, UserError
from edgewright.sources import is_folder_source, source_kind, source_name
from edgewright.sources.paddle.export import find_export
from edgewright.sources.paddle.sniff import MOST_BYTES
from edgewright.sources.paddle.versions import version_for
from edgewright.workflow.inputs import model_digest
from tests.sources.exports import PIR, PROGRAM, write_export


@pytest.mark.parametrize(("suffix", "form"), [(".pdmodel", "pdmodel"), (".json", "pir")])
def test_a_folder_and_a_program_are_the_same_export(tmp_path: Path, suffix: str, form: str) -> None:
    folder = write_export(tmp_path / "picodet", suffix)
    whole, program = find_export(folder), find_export(folder / f"model{suffix}")
    assert (
        whole.files
        == program.files
        == [folder / f"model{suffix}", folder / "model.pdiparams", folder / "infer_cfg.yml"]
    )
    assert whole.format == form
    assert source_kind(folder).name == source_kind(folder / f"model{suffix}").name == "paddle"
    assert source_name(folder) == "picodet"


def test_without_a_description_there_is_none(tmp_path: Path) -> None:
    assert find_export(write_export(tmp_path, config=None)).config is None


def test_other_json_files_are_no_programs(tmp_path: Path) -> None:
    folder = write_export(tmp_path)
    (folder / "labels.json").write_text('{"images": []}', encoding="utf-8")
    assert find_export(folder).program.name == "model.pdmodel"
    assert source_kind(folder / "labels.json").name == "onnx"


def test_bundles_run_directories_and_other_folders_are_no_exports(tmp_path: Path) -> None:
    bundle = write_export(tmp_path / "bundle")
    assert is_folder_source(bundle)
    (bundle / "manifest.json").write_text("{}", encoding="utf-8")
    assert not is_folder_source(bundle)
    assert not is_folder_source(tmp_path)
    assert not is_folder_source(tmp_path / "nowhere")


def test_dots_in_names_stay(tmp_path: Path) -> None:
    assert source_name(write_export(tmp_path / "picodet_s.v2")) == "picodet_s.v2"
    assert source_name(Path("a/model.onnx")) == "model"


def refused(path: Path) -> str:
    with pytest.raises(ModelError) as caught:
        find_export(path)
    assert caught.value.todo
    return str(caught.value)


def test_missing_weights(tmp_path: Path) -> None:
    folder = write_export(tmp_path)
    (folder / "model.pdiparams").rename(folder / "other.pdiparams")
    said = refused(folder)
    assert "model.pdiparams" in said
    assert "other.pdiparams, of another name" in said
    (folder / "other.pdiparams").unlink()
    assert "no .pdiparams lies there" in refused(folder)
    (folder / "model.pdiparams").touch()
    assert "0 bytes" in refused(folder)


def test_several_programs(tmp_path: Path) -> None:
    write_export(tmp_path)
    write_export(tmp_path, ".json", stem="second")
    said = refused(tmp_path)
    assert "2 Paddle programs" in said
    assert "model.pdmodel, second.json" in said
    assert find_export(tmp_path / "second.json").weights.name == "second.pdiparams"


def test_no_program(tmp_path: Path) -> None:
    folder = write_export(tmp_path)
    (folder / "model.pdmodel").unlink()
    assert "it holds infer_cfg.yml, model.pdiparams" in refused(folder)
    assert "not its program" in refused(folder / "model.pdiparams")
    assert "no file" in refused(folder / "model.pdmodel")


@pytest.mark.parametrize(
    ("damaged", "said"),
    [
        (b"", "the file is empty"),
        (PROGRAM[:-1], "cut short"),
        (PROGRAM[:3], "cut short"),
        (b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", "cut short"),
        (b"\x22\x02\x08\x00", "no block"),
        (b"\x0a\x00" * 70_000, "more than 65536 fields"),
        (b"\x7a\x00" + PROGRAM, "programs have not (15)"),
        (b"PK\x03\x04 a zip file by mistake", "damaged"),
        (b"\x08\x08\x12\x07pytorch", "damaged"),
        (bytes(range(1, 200)), "damaged"),
    ],
)
def test_damaged_programs_of_paddle_2(tmp_path: Path, damaged: bytes, said: str) -> None:
    folder = write_export(tmp_path)
    (folder / "model.pdmodel").write_bytes(damaged)
    assert said in refused(folder)


@pytest.mark.parametrize(
    ("damaged", "said"),
    [
        (b"", "the file is empty"),
        (PIR.encode()[:-5], "JSON"),
        (b"\xff\xfe" + PIR.encode(), "not UTF-8"),
        (b"[1, 2]", "without the keys"),
        (PIR.replace("pir", "xyz").encode(), "magic word"),
        (b'{"program":' + b"[" * 100_000, "JSON: "),
    ],
)
def test_damaged_programs_of_paddle_3(tmp_path: Path, damaged: bytes, said: str) -> None:
    folder = write_export(tmp_path, ".json")
    (folder / "model.json").write_bytes(damaged)
    told = refused(folder / "model.json")
    assert said in told or "nested too deeply" in told


def test_the_version_fits_the_format(tmp_path: Path) -> None:
    old, new = find_export(write_export(tmp_path / "a")), find_export(write_export(tmp_path / "b", ".json"))
    assert (version_for(old), version_for(new)) == ("2.6.2", "3.3.1")
    assert version_for(old, "3.3.1") == "3.3.1"
    assert version_for(new, "3.0.0rc1") == "3.0.0rc1"
    with pytest.raises(UserError, match="cannot read model") as caught:
        version_for(new, "2.6.2")
    assert "3.3.1" in caught.value.todo
    with pytest.raises(UserError, match="not a version"):
        version_for(old, "1.8")


def test_every_byte_counts_for_the_digest(tmp_path: Path) -> None:
    folder = write_export(tmp_path)
    seen = {model_digest(folder)}
    (folder / "infer_cfg.yml").write_text("Preprocess: []", encoding="utf-8")
    seen.add(model_digest(folder))
    (folder / "model.pdiparams").write_bytes(b"others")
    seen.add(model_digest(folder))
    (folder / "model.pdmodel").write_bytes(PROGRAM + PROGRAM)
    seen.add(model_digest(folder))
    assert len(seen) == 4
    assert model_digest(folder) == model_digest(folder / "model.pdmodel")


@pytest.mark.parametrize("suffix", [".pdmodel", ".json"])
def test_a_program_that_is_far_too_large_is_not_read(tmp_path: Path, suffix: str) -> None:
    folder = write_export(tmp_path, suffix)
    with (folder / f"model{suffix}").open("r+b") as file:
        file.truncate(MOST_BYTES + 1)
    assert "it has 67 MB" in refused(folder / f"model{suffix}")
