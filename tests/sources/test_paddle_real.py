"""Small networks exported by the real Paddle 2.6.2 and 3.3.1, through the source and its proof."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import cv2
import numpy as np
import pytest

import edgewright as ew
from edgewright.data.contract import preprocess
from edgewright.errors import ModelError, UserError
from edgewright.findings import Severity
from edgewright.graph.io import load_model
from edgewright.sources.paddle.contract import contract_of
from edgewright.sources.paddle.convert import describe
from edgewright.sources.paddle.export import find_export
from edgewright.sources.paddle.infer_cfg import read_config
from edgewright.sources.paddle.prepared_images import as_paddle_prepares
from edgewright.toolchains.deaths import WorkerFailed
from edgewright.toolchains.environments import ensure
from edgewright.toolchains.vendors import vendor_spec
from edgewright.workflow.recipe import make_recipe
from edgewright.workflow.sourced import source_once

pytestmark = [pytest.mark.toolchain, pytest.mark.timeout(1800)]
OLD, NEW = "2.6.2", "3.3.1"
STEPS = """Preprocess:
- {interp: 2, keep_ratio: false, target_size: [96, 96], type: Resize}
- {is_scale: true, mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225], type: NormalizeImage}
- {type: Permute}
label_list: [red, green, blue]
"""
Export = Callable[..., Path]


@pytest.fixture(scope="module")
def export(tmp_path_factory: pytest.TempPathFactory) -> Export:
    """Makes an export once: version of Paddle, kind, edge."""
    made: dict[tuple[str, str, int], Path] = {}

    def make(version: str, kind: str, edge: int = 96) -> Path:
        if (version, kind, edge) not in made:
            folder = tmp_path_factory.mktemp("exports") / f"{kind}-{version}"
            folder.mkdir()
            python = ensure(vendor_spec("paddle"), version, yes=True).python
            script = Path(__file__).with_name("paddle_nets.py")
            subprocess.run([python, script, folder, kind, str(edge)], check=True, capture_output=True, timeout=600)
            (folder / "infer_cfg.yml").write_text(STEPS, encoding="utf-8")
            made[version, kind, edge] = folder
        return made[version, kind, edge]

    return make


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five pictures of several sizes, one of them gray, one upright."""
    folder = tmp_path_factory.mktemp("images")
    generator = np.random.default_rng(0)
    for number, (height, width) in enumerate([(96, 96), (75, 130), (200, 60), (301, 211), (33, 47)]):
        noise = generator.integers(0, 256, (-(-height // 8), -(-width // 8), 3), np.uint8)
        picture = cv2.resize(noise, (width, height), interpolation=cv2.INTER_CUBIC)
        cv2.imwrite(str(folder / f"{number}.png"), picture[:, :, 0] if number == 3 else picture)
    return folder


@pytest.mark.parametrize("version", [OLD, NEW])
def test_an_export_with_nms_and_scale_is_deployed_and_proven(
    version: str, export: Export, images: Path, tmp_path: Path
) -> None:
    folder = export(version, "nms")
    run = ew.deploy(folder, images=images, precision="float", out=tmp_path / "run")
    assert run.verdict == "passed"
    told = {finding.code: finding for finding in run.findings}
    assert told["EW121"].evidence["op"] == "multiclass_nms3"
    assert told["EW122"].evidence == {"scale_factor": [[1.0, 1.0]]}
    assert told["EW123"].severity is Severity.INFO
    assert max(told["EW123"].evidence["parts"].values()) < 1e-5
    assert told["EW123"].evidence["images"] == 4
    assert told["EW125"].severity is Severity.INFO
    assert 0 <= told["EW125"].evidence["largest"] < 1e-6
    assert not {"EW120", "EW124", "EW126"} & set(told)
    source = run.report.provenance["source"]
    assert source["versions"]["paddlepaddle"] == version
    assert "paddle2onnx" in source["commands"][0]
    assert run.report.contract["interpolation"] == "cubic"
    assert run.report.model["name"] == folder.name
    assert run.report.model["outputs"][0]["shape"][1:] == [36, 4]
    assert json.loads((run.bundle / "manifest.json").read_text())["contract"]["mean"][0] == pytest.approx(123.675)
    again = ew.deploy(folder, images=images, precision="float", out=tmp_path / "run")
    assert again.reused


def test_factors_of_a_resize_of_paddle_3_are_narrowed_and_onednn_is_told(
    export: Export, images: Path, tmp_path: Path
) -> None:
    """paddle2onnx gives up on what Paddle 3.3 writes, and its own oneDNN, on by default, fails on it."""
    run = ew.deploy(export(NEW, "resized"), images=images, precision="float", out=tmp_path / "run")
    told = {finding.code: finding for finding in run.findings}
    assert told["EW127"].evidence == {"attributes": 1}
    assert told["EW126"].evidence["way"] == "oneDNN on"
    assert "With oneDNN off it runs" in told["EW126"].message
    assert told["EW123"].severity is Severity.INFO
    assert run.verdict == "passed"


@pytest.mark.parametrize("version", [OLD, NEW])
def test_the_size_of_the_image_is_folded_and_open_edges_are_fixed(version: str, export: Export) -> None:
    folder = export(version, "sized", 0)
    recipe = make_recipe({"model": {"path": str(folder)}, "data": {"images": ""}})
    with ExitStack() as stack:
        sourced = source_once(folder, recipe, stack)
        model = load_model(sourced.path)
        assert sourced.origin is not None
        assert {name: value.tolist() for name, value in sourced.origin.constants.items()} == {
            "scale_factor": [[1.0, 1.0]],
            "im_shape": [[96.0, 96.0]],
        }
        assert [spec.shape for spec in model.inputs] == [(1, 3, 96, 96)]
        assert [spec.name for spec in model.outputs] == list(sourced.origin.outputs)
        assert model.ir.metadata_props["names"] == "['red', 'green', 'blue']"
        assert sourced.facts["cut"] is None


@pytest.mark.parametrize("version", [OLD, NEW])
def test_the_best_of_queries_are_cut_and_proven(version: str, export: Export, images: Path, tmp_path: Path) -> None:
    """RT-DETR's ending: behind it, errors are told on rows whose order flips."""
    run = ew.deploy(export(version, "queries", 0), images=images, precision="float", out=tmp_path / "run")
    told = {finding.code: finding for finding in run.findings}
    cut = told["EW121"].evidence
    assert (cut["by"], len(cut["outputs"])) == ("topk", 2)
    ops = run.report.provenance["source"]["ops"]
    assert not {"topk", "top_k_v2", "floor"} & set(ops), "what was cut off must not be blamed"
    assert cut["gap"] < 1e-6
    assert "EW122" not in told, "scale and size belong to what was cut"
    assert max(told["EW123"].evidence["parts"].values()) < 1e-5
    assert [output["shape"][2] for output in run.report.model["outputs"]] == [4, 3]
    assert run.verdict == "passed"


@pytest.mark.parametrize("version", [OLD, NEW])
def test_a_cut_that_does_not_hold_the_detections_is_not_made(version: str, export: Export) -> None:
    folder = export(version, "offset")
    recipe = make_recipe({"model": {"path": str(folder)}, "data": {"images": ""}})
    with ExitStack() as stack:
        found = source_once(folder, recipe, stack)
    assert found.facts["cut"] is None
    kept = next(finding for finding in found.findings if finding.code == "EW121")
    assert kept.severity is Severity.WARNING
    assert "gave other detections" in kept.message


def test_open_edges_without_a_description_ask_for_the_size(export: Export, tmp_path: Path) -> None:
    folder = export(OLD, "sized", 0)
    program = tmp_path / "alone.pdmodel"
    program.write_bytes((folder / "model.pdmodel").read_bytes())
    program.with_suffix(".pdiparams").write_bytes((folder / "model.pdiparams").read_bytes())
    recipe = make_recipe({"model": {"path": str(program)}, "data": {"images": ""}})
    with ExitStack() as stack, pytest.raises(ModelError, match="dynamic dimensions") as caught:
        source_once(program, recipe, stack)
    assert "--input-shape image=1,3,?,?" in caught.value.todo
    sized = recipe.model_copy(
        update={"model": recipe.model.model_copy(update={"input_shapes": {"image": (1, 3, 64, 32)}})}
    )
    with ExitStack() as stack:
        found = source_once(program, sized, stack)
        assert load_model(found.path).inputs[0].shape == (1, 3, 64, 32)
        assert found.preset is None
        assert [finding.code for finding in found.findings] == ["EW120", "EW122"]


def test_paddle_3_reads_and_cuts_what_paddle_2_wrote(export: Export) -> None:
    folder = export(OLD, "nms")
    recipe = make_recipe({"model": {"path": str(folder), "paddle": NEW}, "data": {"images": ""}})
    ensure(vendor_spec("paddle"), NEW, yes=True)
    with ExitStack() as stack:
        found = source_once(folder, recipe, stack)
        assert found.facts["versions"]["paddlepaddle"] == NEW
        assert found.facts["cut"]["op"] == "multiclass_nms3"
        assert [spec.shape[-1] for spec in load_model(found.path).outputs] == [4, 36]


def test_a_description_of_another_export_is_refused(export: Export, tmp_path: Path) -> None:
    folder = tmp_path / "other"
    folder.mkdir()
    for path in export(OLD, "plain").iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    (folder / "infer_cfg.yml").write_text(STEPS.replace("[96, 96]", "[64, 96]"), encoding="utf-8")
    recipe = make_recipe({"model": {"path": str(folder)}, "data": {"images": ""}})
    with ExitStack() as stack, pytest.raises(UserError, match="takes 96x96"):
        source_once(folder, recipe, stack)


def test_a_program_with_damage_inside_kills_a_child_and_is_classified(export: Export, tmp_path: Path) -> None:
    folder = tmp_path / "damaged"
    folder.mkdir()
    whole = bytearray((export(OLD, "plain") / "model.pdmodel").read_bytes())
    whole[20:400] = bytes(380)
    (folder / "model.pdmodel").write_bytes(whole)
    (folder / "model.pdiparams").write_bytes((export(OLD, "plain") / "model.pdiparams").read_bytes())
    with pytest.raises(WorkerFailed) as caught:
        describe(find_export(folder), OLD, tmp_path / "work")
    assert caught.value.death.kind in ("signal", "exception")
    assert caught.value.death.cause is not None, caught.value
    assert Path(caught.value.log).is_file()


def test_the_log_of_a_failed_conversion_outlives_its_stage(export: Export, images: Path, tmp_path: Path) -> None:
    folder = tmp_path / "damaged"
    folder.mkdir()
    for path in export(OLD, "plain").iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    (folder / "model.pdiparams").write_bytes(b"\x00" * 64)
    with pytest.raises(WorkerFailed) as caught:
        ew.deploy(folder, images=images, precision="float", out=tmp_path / "run")
    assert Path(caught.value.log) == tmp_path / "run" / "logs" / "source.txt"
    assert Path(caught.value.log).is_file()


STEP_LISTS = {
    "stretch": STEPS,
    "kept ratio, stride": """Preprocess:
- {type: Resize, target_size: [80, 128], keep_ratio: true, interp: 1}
- {type: NormalizeImage, mean: [0.5, 0.4, 0.3], std: [0.2, 0.3, 0.1], is_scale: true}
- {type: Permute}
- {type: PadStride, stride: 32}
""",
    "kept ratio, padded": """Preprocess:
- {type: Resize, target_size: [128, 128], keep_ratio: true, interp: 2}
- {type: Pad, size: [128, 128], fill_value: [114.0, 114.0, 114.0]}
- {type: Permute}
""",
    "letterbox": """Preprocess:
- {type: LetterBoxResize, target_size: [96, 160]}
- {type: NormalizeImage, mean: [0, 0, 0], std: [1, 1, 1], is_scale: true}
- {type: Permute}
""",
}
_WITH_PADDLEDET = """
import json, sys
import cv2, numpy as np
import paddle
from ppdet.data.transform import batch_operators, mot_operators, operators
pictures = np.load(sys.argv[1])
made = {}
for title, steps in json.loads(sys.argv[3]).items():
    for name in pictures.files:
        rgb = np.ascontiguousarray(pictures[name][:, :, ::-1])
        sample = {"image": rgb, "im_shape": np.array(rgb.shape[:2], np.float32), "scale_factor": np.ones(2, np.float32)}
        for step in steps:
            kind = step["type"]
            given = {key: value for key, value in step.items() if key != "type"}
            if kind == "PadStride":
                sample = batch_operators.PadBatch(pad_to_stride=given["stride"])([sample])[0]
            else:
                module = mot_operators if kind == "LetterBoxResize" else operators
                sample = getattr(module, kind)(**given)(sample)
        made[f"{title}/{name}"] = sample["image"][None]
np.savez(sys.argv[2], **made)
"""


def test_the_restated_steps_are_those_of_paddledetection(images: Path, tmp_path: Path) -> None:
    """Against the operators of the installed wheel, which resize in float32 where its deployment resizes bytes."""
    python = _paddledet(tmp_path)
    lists = {
        name: [step.model_dump(mode="json") for step in _config(tmp_path, text).steps]
        for name, text in STEP_LISTS.items()
    }
    pictures = {path.stem: cv2.imread(str(path)) for path in sorted(images.iterdir())}
    np.savez(tmp_path / "in.npz", **pictures)
    (tmp_path / "real.py").write_text(_WITH_PADDLEDET, encoding="utf-8")
    command = [python, tmp_path / "real.py", tmp_path / "in.npz", tmp_path / "out.npz", json.dumps(lists)]
    subprocess.run(command, check=True, timeout=900)
    with np.load(tmp_path / "out.npz") as real:
        for name, steps in lists.items():
            mine = as_paddle_prepares(OLD, list(pictures.values()), steps, tmp_path / "work")
            std = min((min(step["std"]) * 255 for step in steps if step.get("std")), default=1.0)
            for picture, tensor in zip(pictures, mine, strict=True):
                theirs = real[f"{name}/{picture}"]
                assert theirs.shape == tensor.shape, name
                assert np.abs(theirs - tensor).max() <= 1.01 / std, f"{name}: more than the rounding of one byte"


@pytest.mark.parametrize("name", STEP_LISTS)
def test_the_contract_prepares_as_the_steps_do(name: str, images: Path, tmp_path: Path) -> None:
    ensure(vendor_spec("paddle"), OLD, yes=True)
    config = _config(tmp_path, STEP_LISTS[name])
    contract = contract_of(config, "image", tmp_path)
    pictures = [cv2.imread(str(path)) for path in sorted(images.iterdir())]
    theirs = as_paddle_prepares(
        OLD, pictures, [step.model_dump(mode="json") for step in config.steps], tmp_path / "work"
    )
    for picture, expected in zip(pictures, theirs, strict=True):
        if expected.shape[2] > contract.height or expected.shape[3] > contract.width:
            continue  # an upright image, for which a network of fixed size has no room
        whole = np.zeros(contract.shape, np.float32)
        whole[..., : expected.shape[2], : expected.shape[3]] = expected
        found = preprocess(picture, contract)[0]
        assert np.abs(found - whole).max() <= 1e-5 * np.abs(expected).max()


def _config(folder: Path, text: str):  # type: ignore[no-untyped-def]
    path = folder / "infer_cfg.yml"
    path.write_text(text, encoding="utf-8")
    return read_config(path)


def _paddledet(tmp_path: Path) -> Path:
    """A Python with PaddleDetection's package, made of the environment of Paddle 2.6.2 and what the wheel imports."""
    made = ensure(vendor_spec("paddle"), OLD, yes=True)
    place = tmp_path.parent / "paddledet"
    packages = ["paddledet==2.6.0"]
    others = ["pyyaml", "requests", "tqdm", "six", "scipy", "matplotlib", "scikit-learn", "pandas", "pycocotools"]
    if not (place / "done").exists():
        uv = [sys.executable, "-m", "uv", "pip", "install", "-q", "--python", str(made.python), "--target", str(place)]
        subprocess.run([*uv, "--no-deps", *packages], check=True, timeout=900)
        subprocess.run([*uv, *others, "numpy==1.26.4"], check=True, timeout=900)
        (place / "done").touch()
    wrapper = tmp_path / "python"
    wrapper.write_text(f'#!/bin/sh\nPYTHONPATH="{place}" exec "{made.python}" "$@"\n', encoding="utf-8")
    wrapper.chmod(0o755)
    return wrapper
