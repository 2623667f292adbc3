"""`infer_cfg.yml`: what it says, and what is refused in it."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgewright.data.contract import Contract
from edgewright.errors import UserError
from edgewright.sources.paddle.contract import contract_of
from edgewright.sources.paddle.infer_cfg import MOST_BYTES, InferConfig, read_config
from tests.sources.exports import CONFIG

RESIZE = "- {type: Resize, target_size: [320, 416], keep_ratio: false, interp: 1}"
KEEP = "- {type: Resize, target_size: [320, 416], keep_ratio: true, interp: 1}"
PERMUTE = "- {type: Permute}"


def read(tmp_path: Path, text: str) -> InferConfig:
    path = tmp_path / "infer_cfg.yml"
    path.write_text(text, encoding="utf-8")
    return read_config(path)


def contract(tmp_path: Path, *steps: str) -> Contract:
    return contract_of(read(tmp_path, "\n".join(["Preprocess:", *steps])), "image", tmp_path / "infer_cfg.yml")


def refused(tmp_path: Path, text: str) -> str:
    with pytest.raises(UserError) as caught:
        contract_of(read(tmp_path, text), "image", tmp_path / "infer_cfg.yml")
    assert caught.value.where
    assert caught.value.todo
    return str(caught.value)


def test_what_picodet_says(tmp_path: Path) -> None:
    config = read(tmp_path, CONFIG)
    assert config.arch == "GFL"
    assert config.draw_threshold == 0.5
    found = contract_of(config, "image", tmp_path)
    assert found == Contract(
        input="image",
        width=416,
        height=320,
        colour="RGB",
        resize="stretch",
        interpolation="cubic",
        pad_value=0,
        mean=(123.675, 116.28, 103.53),
        std=(58.395, 57.12, 57.375),
        layout="NCHW",
    )


def test_class_names_that_yaml_takes_for_something_else(tmp_path: Path) -> None:
    found = read(tmp_path, f"Preprocess:\n{RESIZE}\nlabel_list: [person, 7, no]")
    assert found.label_list == ("person", "7", "False")


@pytest.mark.parametrize(
    ("step", "mean", "std"),
    [
        ("is_scale: true, mean: [0, 0, 0], std: [1, 1, 1]", 0.0, 255.0),
        ("is_scale: false, mean: [127, 127, 127], std: [2, 2, 2]", 127.0, 2.0),
        ("is_scale: true, norm_type: none", 0.0, 255.0),
        ("is_scale: false, norm_type: none", 0.0, 1.0),
    ],
)
def test_normalisation(tmp_path: Path, step: str, mean: float, std: float) -> None:
    found = contract(tmp_path, RESIZE, f"- {{type: NormalizeImage, {step}}}", PERMUTE)
    assert (found.mean, found.std) == ((mean,) * 3, (std,) * 3)


def test_without_normalisation_and_permute(tmp_path: Path) -> None:
    found = contract(tmp_path, RESIZE)
    assert (found.mean, found.std, found.layout) == ((0.0,) * 3, (1.0,) * 3, "NHWC")


@pytest.mark.parametrize(("code", "name"), [(0, "nearest"), (1, "linear"), (2, "cubic"), (3, "area")])
def test_interpolation(tmp_path: Path, code: int, name: str) -> None:
    assert contract(tmp_path, RESIZE.replace("interp: 1", f"interp: {code}")).interpolation == name


def test_one_number_is_both_edges(tmp_path: Path) -> None:
    found = contract(tmp_path, RESIZE.replace("[320, 416]", "320"))
    assert (found.width, found.height) == (320, 320)


def test_kept_ratio_and_stride(tmp_path: Path) -> None:
    found = contract(tmp_path, KEEP.replace("416", "430"), PERMUTE, "- {type: PadStride, stride: 32}")
    assert (found.height, found.width) == (320, 448)
    assert (found.resize, found.edges, found.pad_in) == ("keep-ratio", (320, 430), "tensor")
    assert contract(tmp_path, KEEP, PERMUTE, "- {type: PadBatch, pad_to_stride: 64}").width == 448


def test_padding_with_a_value(tmp_path: Path) -> None:
    found = contract(tmp_path, KEEP, "- {type: Pad, size: [448, 448], fill_value: [114.0, 114.0, 114.0]}", PERMUTE)
    assert (found.height, found.width, found.pad_in, found.pad_value) == (448, 448, "image", 114)


def test_letterbox(tmp_path: Path) -> None:
    found = contract(tmp_path, "- {type: LetterBoxResize, target_size: [608, 1088]}", PERMUTE)
    assert (found.height, found.width, found.resize, found.interpolation) == (608, 1088, "letterbox", "area")
    assert found.pad_value == 128


@pytest.mark.parametrize(
    ("steps", "said"),
    [
        (PERMUTE, "no step gives the image its size"),
        (f"{RESIZE}\n{RESIZE}", "more than one step"),
        (f"{PERMUTE}\n{RESIZE}", "Resize comes after Permute"),
        (f"- {{type: PadStride, stride: 32}}\n{RESIZE}", "before the image has its size"),
        (RESIZE.replace("interp: 1", "interp: 4"), "interp 4"),
        (f"{RESIZE}\n- {{type: NormalizeImage, mean: [0.5], std: [0.5]}}", "three of each"),
        (f"{RESIZE}\n- {{type: NormalizeImage, mean: [0, 0, 0], std: [1, 0, 1]}}", "no std of 0"),
        (f"{KEEP}\n- {{type: Pad, size: [448, 448], fill_value: [1, 2, 3]}}", "one whole number"),
        (f"{KEEP}\n- {{type: Pad, size: [300, 448]}}", "Resize made it 320x416"),
        (f"{RESIZE}\n- {{type: Pad, size: [448, 448]}}", "fills the image already"),
        (f"{RESIZE}\n- {{type: PadStride, stride: 100}}", "multiple of 100"),
    ],
)
def test_what_a_contract_cannot_say(tmp_path: Path, steps: str, said: str) -> None:
    assert said in refused(tmp_path, f"Preprocess:\n{steps}")


def test_an_unknown_step_names_the_known_ones(tmp_path: Path) -> None:
    said = refused(tmp_path, f"Preprocess:\n{RESIZE}\n- {{type: WarpAffine, keep_res: true}}")
    assert "does not know: WarpAffine" in said
    assert "Resize, NormalizeImage, Permute, PadStride, PadBatch, Pad, LetterBoxResize" in said


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("arch: GFL", "no list named Preprocess"),
        ("Preprocess: Resize", "no list of steps"),
        ("Preprocess: []", "no list of steps"),
        ("Preprocess: [Resize]", "does not know: 'Resize'"),
        ("Preprocess: [{target_size: 3}]", "does not know: {"),
        ("- a", "holds no keys"),
        ("", "holds no keys"),
        ("a: [", "not valid YAML"),
        ("a: !!python/object/apply:os.system [echo]", "not valid YAML"),
        ("a: " + "[" * 5000, "nested too deeply"),
        ("a: " + "{a: " * 5000, "nested too deeply"),
        ("- " * 5000, "nested too deeply"),
        ("? " * 5000, "nested too deeply"),
        ("\n".join(" " * n + "a:" for n in range(600)), "not valid YAML"),
        ("a: \x00", "not valid YAML"),
        (f"Preprocess:\n{RESIZE.replace('320', '0')}", "the step Resize"),
        (f"Preprocess:\n{RESIZE.replace('320', '99999999')}", "the step Resize"),
        (f"Preprocess:\n{RESIZE.replace('320', 'true')}", "the step Resize"),
        (f"Preprocess:\n{RESIZE.replace('interp', 'interpolation')}", "interpolation"),
        (f"Preprocess:\n{RESIZE}\ndraw_threshold: high", "draw_threshold"),
        (f"Preprocess:\n{RESIZE}\nlabel_list: {{a: b}}", "label_list"),
        (f"Preprocess:\n{RESIZE}\nlabel_list: [[a], [b]]", "label_list"),
    ],
)
def test_hostile_and_broken_files(tmp_path: Path, text: str, said: str) -> None:
    assert said in refused(tmp_path, text)


def test_a_few_lines_must_not_stand_for_gigabytes(tmp_path: Path) -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 12)]
    assert "alias" in refused(tmp_path, "\n".join([*lines, "label_list: *a11", "Preprocess:", RESIZE]))
    flat = read(tmp_path, "sizes: &size [64, 96]\nPreprocess:\n- {type: Resize, target_size: *size}")
    assert flat.steps[0].target_size == (64, 96)  # type: ignore[union-attr]


def test_a_large_file_is_not_read(tmp_path: Path) -> None:
    assert "kB" in refused(tmp_path, "#" * (MOST_BYTES + 1))


def test_no_text(tmp_path: Path) -> None:
    path = tmp_path / "infer_cfg.yml"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UserError, match="not valid YAML"):
        read_config(path)


@pytest.mark.parametrize(
    ("steps", "said"),
    [
        (f"{RESIZE}\n- {{type: NormalizeImage, mean: [.nan, 0, 0], std: [1, 1, 1]}}", "must be finite"),
        (f"{RESIZE}\n- {{type: NormalizeImage, mean: [0, 0, 0], std: [1.0e-300, 1, 1]}}", "must not be zero"),
        ("- {type: Resize, target_size: 16384}\n- {type: Permute}\n- {type: PadStride, stride: 1000}", "17000"),
    ],
)
def test_what_only_all_steps_together_make_impossible(tmp_path: Path, steps: str, said: str) -> None:
    assert said in refused(tmp_path, f"Preprocess:\n{steps}")
