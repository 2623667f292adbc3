"""`infer_cfg.yml`: what PaddleDetection writes beside an exported model about how to feed and to read it."""

from __future__ import annotations

import re
import reprlib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from edgewright.errors import UserError

MOST_BYTES = 1 << 18
"""A list of 80 classes takes 1 kB; what is larger is no such file."""
_MOST_NESTED = 16
"""The reader of YAML takes quadratic time for what is nested deeply in brackets."""
_EDGE = 16384
_MOST_CLASSES = 10_000
_AGAIN = "export the model again with PaddleDetection's tools/export_model.py"


def _pair(value: Any) -> Any:
    """One number stands for both."""
    return (value, value) if isinstance(value, int) and not isinstance(value, bool) else value


def _text(value: Any) -> Any:
    """Class names that YAML reads as numbers or as words of its own (`1`, `no`) are names all the same."""
    return value if isinstance(value, (list, dict)) or value is None else str(value)


Edge = Annotated[int, Field(ge=1, le=_EDGE, strict=True)]
Size = Annotated[tuple[Edge, Edge], BeforeValidator(_pair)]
Channels = tuple[float, ...]


class _Step(BaseModel):
    # PaddleDetection hands a step's keys to a constructor: one that it does not know changes what is computed
    model_config = ConfigDict(frozen=True, extra="forbid")


class Resize(_Step):
    """To `target_size` (height, width); with `keep_ratio` its smaller and larger number bound the image's edges."""

    type: Literal["Resize"]
    target_size: Size
    keep_ratio: bool = True
    interp: Annotated[int, Field(ge=0, le=4)] = 1


class NormalizeImage(_Step):
    """Values to 0..1 with `is_scale`, then less `mean`, by `std`."""

    type: Literal["NormalizeImage"]
    mean: Channels = ()
    std: Channels = ()
    is_scale: bool = True
    norm_type: Literal["mean_std", "none"] = "mean_std"


class Permute(_Step):
    """From height, width, channels to channels, height, width."""

    type: Literal["Permute"]


class PadStride(_Step):
    """Zeros on the right and below up to a multiple of `stride`."""

    type: Literal["PadStride"]
    stride: Annotated[int, Field(ge=0, le=1024)] = 0


class PadBatch(_Step):
    """The same under the name that it has in training."""

    type: Literal["PadBatch"]
    pad_to_stride: Annotated[int, Field(ge=0, le=1024)] = 0
    pad_gt: bool = False


class Pad(_Step):
    """One value on the right and below up to `size` (height, width)."""

    type: Literal["Pad"]
    size: Size
    fill_value: Channels = (114.0, 114.0, 114.0)


class LetterBoxResize(_Step):
    """The ratio kept, the image in the middle of `target_size` (height, width), gray around it."""

    type: Literal["LetterBoxResize"]
    target_size: Size


STEPS: Mapping[str, type[_Step]] = {
    "Resize": Resize,
    "NormalizeImage": NormalizeImage,
    "Permute": Permute,
    "PadStride": PadStride,
    "PadBatch": PadBatch,
    "Pad": Pad,
    "LetterBoxResize": LetterBoxResize,
}
Step = Resize | NormalizeImage | Permute | PadStride | PadBatch | Pad | LetterBoxResize


class InferConfig(BaseModel):
    """What the file says, as far as it concerns us; further keys are PaddleDetection's own.

    Attributes:
        steps: of the preprocessing, in order.
        label_list: class names by class id.
        arch: name of the architecture ("GFL" is PicoDet's too).
        draw_threshold: confidence below which nothing is drawn.
    """

    model_config = ConfigDict(frozen=True)

    steps: tuple[Step, ...]
    label_list: Annotated[tuple[Annotated[str, BeforeValidator(_text)], ...], Field(max_length=_MOST_CLASSES)] = ()
    arch: str = ""
    draw_threshold: Annotated[float | None, Field(ge=0, le=1)] = None


def read_config(path: Path) -> InferConfig:
    """Read an `infer_cfg.yml`.

    Raises:
        UserError: it is no YAML, too large, without Preprocess, with a step that is not known, or a value is none that
            the step can have.
    """
    data = _load(path)
    listed = data.get("Preprocess")
    if not isinstance(listed, list) or not listed:
        raise UserError(
            "infer_cfg.yml says nothing of the preprocessing",
            where=str(path),
            why="it has no list named Preprocess" if "Preprocess" not in data else "its Preprocess is no list of steps",
            todo=f"{_AGAIN}; or take the file away and say --resize, --mean, --std and --colour yourself",
        )
    steps = tuple(_step(entry, path) for entry in listed)
    said = {
        "steps": steps,
        "label_list": data.get("label_list") or (),
        "arch": data.get("arch") or "",
        "draw_threshold": data.get("draw_threshold"),
    }
    try:
        return InferConfig.model_validate(said)
    except ValidationError as error:
        raise _invalid("infer_cfg.yml has a value that it cannot have", error, path) from None


def _load(path: Path) -> Mapping[str, Any]:
    size = path.stat().st_size
    if size > MOST_BYTES:
        raise UserError(
            f"infer_cfg.yml has {size / 1000:.0f} kB", where=str(path), why="it should have some kB", todo=_AGAIN
        )
    try:
        text = path.read_text(encoding="utf-8")
        _check_nesting(text)
        data = yaml.load(text, Loader=_PlainLoader)  # noqa: S506 - a SafeLoader
    except (yaml.YAMLError, UnicodeDecodeError, ValueError, RecursionError) as error:
        told = " ".join(str(error).split())[:300] or type(error).__name__
        raise UserError("infer_cfg.yml is not valid YAML", where=str(path), why=told, todo=_AGAIN) from None
    if not isinstance(data, dict):
        raise UserError(
            "infer_cfg.yml holds no keys and values", where=str(path), why=f"it is a {type(data).__name__}", todo=_AGAIN
        )
    return data


def _check_nesting(text: str) -> None:
    depth = 0
    for sign in re.findall(r"[\[{\]}]|(?:^|(?<=\s))(?:[-?] ){16}", text):
        depth = depth + 1 if sign in "[{" else max(0, depth - 1) if sign in "]}" else _MOST_NESTED + 1
        if depth > _MOST_NESTED:
            raise ValueError("it is nested too deeply")


class _PlainLoader(yaml.SafeLoader):
    """Plain data only. An alias may stand for a value or a list of values: of aliases to lists of aliases a few lines
    would stand for more than any memory holds."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        """Refuse an alias of what is nested."""
        if self.check_event(yaml.events.AliasEvent):
            name = self.peek_event().anchor  # type: ignore[no-untyped-call]
            node = self.anchors.get(name)
            inner = [] if node is None or isinstance(node, yaml.ScalarNode) else node.value
            if not all(isinstance(one, yaml.ScalarNode) for one in inner):
                raise yaml.YAMLError(f"the alias *{name} stands for something nested")
        return super().compose_node(parent, index)


def _step(entry: Any, path: Path) -> Step:
    name = entry.get("type") if isinstance(entry, dict) else None
    if not isinstance(name, str) or name not in STEPS:
        called = name if isinstance(name, str) else reprlib.repr(entry)
        raise UserError(
            f"infer_cfg.yml has a preprocessing step that Edgewright does not know: {called}",
            where=str(path),
            why=f"known steps are {', '.join(STEPS)}",
            todo="export the model with these steps; or do that step before, take infer_cfg.yml away and say --resize, "
            "--mean, --std and --colour yourself",
        )
    try:
        step = STEPS[name].model_validate(entry)
    except ValidationError as error:
        raise _invalid(f"the step {name} of infer_cfg.yml cannot be understood", error, path) from None
    assert isinstance(step, Step)  # noqa: S101 - STEPS holds these
    return step


def _invalid(what: str, error: ValidationError, path: Path) -> UserError:
    problem = error.errors()[0]
    place = ".".join(str(step) for step in problem["loc"])
    given = reprlib.repr(problem["input"])
    return UserError(what, where=str(path), why=f"{place}: {problem['msg']}, but got {given}", todo=_AGAIN)
