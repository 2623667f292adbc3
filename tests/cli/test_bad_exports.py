"""Paddle exports that cannot be deployed: refused with a reason before Paddle is asked, or offered to be installed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli import zoo
from tests.cli.conftest import Cli
from tests.sources.exports import STEPS, write_export

DATA = ("--images", "val", "--calibration", "cal")


def _without_weights(folder: Path) -> None:
    (folder / "model.pdiparams").unlink()


def _cut_short(folder: Path) -> None:
    program = folder / "model.pdmodel"
    program.write_bytes(program.read_bytes()[:-1])


def _with_steps(text: str) -> Callable[[Path], None]:
    return lambda folder: (folder / "infer_cfg.yml").write_text(text, encoding="utf-8") and None


@pytest.mark.parametrize(
    ("damage", "what"),
    [
        (_without_weights, "the weights of model.pdmodel are missing"),
        (_cut_short, "model.pdmodel is no Paddle program, or it is damaged"),
        (lambda folder: write_export(folder, ".json", stem="other") and None, "this folder holds 2 Paddle programs"),
        (_with_steps("arch: GFL"), "infer_cfg.yml says nothing of the preprocessing"),
        (_with_steps(STEPS.replace("Permute", "Mosaic")), "a preprocessing step that Edgewright does not know: Mosaic"),
        (_with_steps("a: ["), "infer_cfg.yml is not valid YAML"),
    ],
    ids=["weights", "program", "two", "no steps", "unknown step", "no yaml"],
)
@pytest.mark.parametrize("verb", ["deploy", "analyse", "repair"])
def test_a_broken_export(cli: Cli, verb: str, damage: Callable[[Path], None], what: str) -> None:
    damage(write_export(cli.folder / "export"))
    error = cli.refused(verb, "export", *DATA)
    assert what in error["what"]
    assert error["do"]


def test_an_export_of_paddle_3_for_paddle_2(cli: Cli) -> None:
    write_export(cli.folder / "export", ".json")
    for words in (("--paddle", "2.6.2"), ("--target", "paddle/cpu==2.6.2", "--precision", "float")):
        error = cli.refused("deploy", "export", *DATA, *words)
        assert error["what"] == "Paddle 2.6.2 cannot read model.json"
        assert "3.3.1" in error["do"]


def test_an_onnx_model_for_a_target_that_builds_from_source(cli: Cli) -> None:
    error = cli.refused(
        "deploy", cli.save("m.onnx", zoo.detector()), *DATA, "--target", "paddle/cpu", "--precision", "float"
    )
    assert error["what"] == "paddle/cpu runs models of paddle, and this one is ONNX"
    assert "name the export that the model came from" in error["do"]


def test_another_file_of_the_export_for_such_a_target(cli: Cli) -> None:
    write_export(cli.folder / "export")
    error = cli.refused("deploy", "export/infer_cfg.yml", *DATA, "--target", "paddle/cpu", "--precision", "float")
    assert error["what"] == "paddle/cpu runs models of paddle, and this is none"


def test_a_missing_paddle_is_offered(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGEWRIGHT_CACHE", str(cli.folder / "cache"))
    write_export(cli.folder / "export")
    error = cli.refused("deploy", "export", *DATA, status=3)
    assert error["what"] == "Paddle 2.6.2 is not installed"
    assert error["do"] == "`edgewright toolchain install paddle`"
    assert cli.refused("inspect", "export", status=3)["what"] == "Paddle 2.6.2 is not installed"


def test_a_folder_that_is_no_run_and_no_export(cli: Cli) -> None:
    (cli.folder / "empty").mkdir()
    assert cli.refused("repair", "empty")["what"] == "this folder is no run directory"
