"""The recipe: everything that a deploy was told or decided, enough to do it again."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from edgewright.data.contract import Contract
from edgewright.errors import UserError
from edgewright.files import is_text
from edgewright.repair.budget import parse_budget
from edgewright.targets.registry import get_backend
from edgewright.toml_io import TOMLDecodeError, dumps_toml, loads_toml

PrecisionChoice = Literal["float", "int8", "int16"]
RemedyKind = Literal["rewrite", "calibration", "cut", "16bit", "float"]


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ModelSection(_Section):
    """Which model, and how it is prepared.

    Attributes:
        path: an ONNX file, a folder that PaddleDetection exported, or a Paddle program.
        paddle: version of Paddle that reads a Paddle model; None: the one that fits its format.
    """

    path: str
    input_shapes: dict[str, tuple[int, ...]] = {}
    skip_prepare: tuple[str, ...] = ()
    task: str | None = None
    paddle: str | None = None


class DataSection(_Section):
    """Images and labels."""

    images: str
    labels: str | None = None
    calibration: str | None = None
    allow_skip: bool = False


AUTO = "auto"


class QuantiseSection(_Section):
    """How grids are chosen.

    Attributes:
        observer: "minmax", "percentile", "percentile:99.9", "mse", "entropy"; "auto" takes "minmax" and tries others
            when the result falls short.
        symmetric: zero point 0, or the middle of an unsigned type, for activations.
        activation: code type of activations; empty takes the target's.
        per_channel: a grid per output channel for weights.
        vendor_calibration: calibrations of the vendor's own toolchain ("kl"), each of which makes rows to compare.
    """

    observer: str = AUTO
    symmetric: bool = False
    activation: Literal["", "uint8", "int8"] = ""
    per_channel: bool = True
    vendor_calibration: tuple[str, ...] = ()

    @field_validator("vendor_calibration")
    @classmethod
    def _each_once(cls, methods: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(methods)) < len(methods):
            raise ValueError("a calibration is named twice")
        return methods


class VerifySection(_Section):
    """What counts as passed.

    Attributes:
        max_drop: allowed drop of the task metric in points; None: 1.0 with labels, 5.0 without.
        max_relative_l2: allowed error of each output where there is no task metric.
        parts: allowed relative L2 of single parts of a quantised variant ("boxes"), whatever the task metric says.
    """

    max_drop: float | None = Field(default=None, ge=0, le=100)
    max_relative_l2: float = Field(default=0.1, gt=0)
    parts: dict[str, float] = Field(default_factory=dict)
    repair: bool = True


class RepairSection(_Section):
    """What a repair may do, for variants that fall short.

    Attributes:
        allow: kinds of remedies: "rewrite", "calibration", "cut", "16bit", "float".
        budget: limits such as "int16-macs<=10%, latency<=1.05x"; empty: none.
        keep_outputs: outputs keep name, shape and meaning, so that nothing needs to run behind the artifact.
        time_limit: seconds for the search; None: no limit.
        seed: of everything random in the search.
    """

    allow: tuple[RemedyKind, ...] = ("rewrite", "calibration", "cut", "16bit", "float")
    budget: str = ""
    keep_outputs: bool = False
    time_limit: float | None = Field(default=None, gt=0)
    seed: int = Field(default=0, ge=0)

    @field_validator("budget")
    @classmethod
    def _readable(cls, budget: str) -> str:
        parse_budget(budget)
        return budget


class ContractSection(_Section):
    """Parts of the preprocessing contract that overrule the head family's preset; see `data.contract.Contract`."""

    colour: Literal["RGB", "BGR", "GRAY"] | None = None
    resize: Literal["stretch", "letterbox", "letterbox-topleft", "keep-ratio"] | None = None
    interpolation: Literal["nearest", "linear", "area", "cubic"] | None = None
    pad_value: int | None = None
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None

    def apply(self, preset: Contract) -> Contract:
        """The preset with these fields in place.

        Raises:
            UserError: the result is no valid contract.
        """
        changes = {name: value for name, value in self.model_dump().items() if value is not None}
        if self.colour is not None and (self.colour == "GRAY") != (preset.channels == 1):
            raise UserError(
                f"--colour {self.colour} does not fit the model, whose input has {preset.channels} channel(s)",
                where=f"input {preset.input}",
                todo="choose --colour GRAY for one channel, RGB or BGR for three",
            )
        for name in ("mean", "std"):
            if name in changes and len(changes[name]) == 1 and changes.get("colour", preset.colour) != "GRAY":
                changes[name] = changes[name] * 3
        try:
            return Contract.model_validate({**preset.model_dump(), **changes})
        except ValidationError as error:
            raise UserError(
                "the preprocessing contract is not valid",
                why=_first_problem(error),
                todo="check --mean, --std, --colour and --resize",
            ) from None


class Recipe(_Section):
    """One deploy, whole."""

    schema_version: Literal[1] = 1
    model: ModelSection
    data: DataSection
    target: str = "onnxruntime/cpu"
    precision: tuple[PrecisionChoice, ...] = Field(default=("int8",), min_length=1)
    contract: ContractSection = ContractSection()
    quantise: QuantiseSection = QuantiseSection()
    verify: VerifySection = VerifySection()
    repair: RepairSection = RepairSection()

    @field_validator("precision")
    @classmethod
    def _each_once(cls, precision: tuple[PrecisionChoice, ...]) -> tuple[PrecisionChoice, ...]:
        if len(set(precision)) < len(precision):
            raise ValueError("a precision is named twice")
        return precision

    def to_toml(self, folder: Path) -> str:
        """TOML text whose paths are relative to `folder`, where the file will lie."""
        data = self.model_dump(mode="json")
        for section, key in _PATHS:
            if data[section][key] is not None:
                data[section][key] = Path(os.path.relpath(data[section][key], folder)).as_posix()
        return dumps_toml(data)


_FLAGS = {"model.path": "MODEL", "model.input_shapes": "--input-shape", "quantise.per_channel": "--per-tensor"}
_PATHS = (("model", "path"), ("data", "images"), ("data", "labels"), ("data", "calibration"))


def load_recipe(path: Path, overrides: Mapping[str, Any] | None = None) -> Recipe:
    """Read a recipe; relative paths count from its folder.

    Args:
        overrides: sections and keys that replace those of the file (flags of the command line).

    Raises:
        UserError: the file is missing, no TOML, or says something that a recipe cannot.
    """
    try:
        data = loads_toml(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(
            f"cannot read the recipe {path}", why=str(error.strerror), todo="pass a recipe.toml that a deploy wrote"
        ) from error
    except (TOMLDecodeError, UnicodeDecodeError) as error:
        raise UserError(
            "the recipe is not valid TOML", where=str(path), why=str(error), todo="correct it, or take it from a run"
        ) from error
    for section, key in _PATHS:
        table = data.get(section)
        if isinstance(table, dict) and isinstance(table.get(key), str):
            table[key] = str(path.parent / table[key])
    return make_recipe(_merged(data, overrides or {}), where=str(path))


def make_recipe(data: Mapping[str, Any], where: str = "") -> Recipe:
    """Validate recipe data.

    Raises:
        UserError: naming the first key that is wrong.
    """
    given = dict(data)
    if given.get("precision") is None:
        given["precision"] = usual_precision(given.get("target", Recipe.model_fields["target"].default))
    try:
        recipe = Recipe.model_validate(given)
        _check_paths(recipe)
        return recipe
    except ValidationError as error:
        raise UserError(
            "the recipe is not valid" if where else "an option is not valid",
            where=where or _flag(error),
            why=_first_problem(error),
            todo="`edgewright deploy --help` lists options and their values",
        ) from None


def usual_precision(target: object) -> tuple[str, ...]:
    """The precision that is meant where none is named: int8, or float on targets that compute in nothing else.

    Args:
        target: what the recipe says; what is no target is told by `get_backend`, where it is used.
    """
    try:
        able = get_backend(str(target)).capabilities()
    except UserError:
        return ("int8",)
    return ("int8",) if "int8" in set(able.precisions) - set(able.weight_only) else ("float",)


def _check_paths(recipe: Recipe) -> None:
    paths = (recipe.model.path, recipe.data.images, recipe.data.labels or "", recipe.data.calibration or "")
    for path in paths:
        if not is_text(path):
            raise UserError(
                f"the path {path!r} is not UTF-8",
                why="recipes and reports are UTF-8 text and name it",
                todo="rename it; or set LC_ALL=C.UTF-8 if the name is text where the locale knows more than ASCII",
            )


def _merged(data: Mapping[str, Any], overrides: Mapping[str, Any]) -> dict[str, Any]:
    result = dict(data)
    for key, value in overrides.items():
        if isinstance(value, Mapping):
            table = result.get(key, {})
            result[key] = (
                {**table, **value} if isinstance(table, Mapping) else table
            )  # `make_recipe` names what is wrong
        elif value is not None:
            result[key] = value
    return result


def _first_problem(error: ValidationError) -> str:
    problem = error.errors()[0]
    where = ".".join(str(step) for step in problem["loc"])
    message = problem["msg"].removeprefix("Value error, ")
    given = problem["input"]
    if isinstance(given, (str, int, float)):
        message += f", but got {given!r}"[:80]
    return f"{where}: {message}" if where else message


def _flag(error: ValidationError) -> str:
    """The option of the command line that sets the key with the first problem; empty where there is none."""
    keys = [step for step in error.errors()[0]["loc"] if isinstance(step, str)]
    return _FLAGS.get(".".join(keys), "") or (f"--{keys[-1].replace('_', '-')}" if keys else "")
