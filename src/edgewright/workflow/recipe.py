"""The recipe: everything that a deploy was told or decided, enough to do it again."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from edgewright.data.contract import Contract
from edgewright.errors import UserError
from edgewright.toml_io import TOMLDecodeError, dumps_toml, loads_toml

PrecisionChoice = Literal["float", "int8", "int16"]


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ModelSection(_Section):
    """Which model, and how it is prepared."""

    path: str
    input_shapes: dict[str, tuple[int, ...]] = {}
    skip_prepare: tuple[str, ...] = ()
    task: str | None = None


class DataSection(_Section):
    """Images and labels."""

    images: str
    labels: str | None = None
    calibration: str | None = None
    allow_skip: bool = False


class QuantiseSection(_Section):
    """How grids are chosen."""

    observer: str = "percentile:99.99"
    symmetric: bool = False
    activation: Literal["", "uint8", "int8"] = ""
    per_channel: bool = True


class VerifySection(_Section):
    """What counts as passed.

    Attributes:
        max_drop: allowed drop of the task metric in points; None: 1.0 with labels, 5.0 without.
        max_relative_l2: allowed error of each output where there is no task metric.
    """

    max_drop: float | None = Field(default=None, ge=0, le=100)
    max_relative_l2: float = Field(default=0.1, gt=0)
    repair: bool = True


class ContractSection(_Section):
    """Parts of the preprocessing contract that overrule the head family's preset; see `data.contract.Contract`."""

    colour: Literal["RGB", "BGR", "GRAY"] | None = None
    resize: Literal["stretch", "letterbox", "letterbox-topleft"] | None = None
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
    precision: tuple[PrecisionChoice, ...] = ("int8",)
    contract: ContractSection = ContractSection()
    quantise: QuantiseSection = QuantiseSection()
    verify: VerifySection = VerifySection()

    def to_toml(self, folder: Path) -> str:
        """TOML text whose paths are relative to `folder`, where the file will lie."""
        data = self.model_dump(mode="json")
        for section, key in _PATHS:
            if data[section][key] is not None:
                data[section][key] = Path(os.path.relpath(data[section][key], folder)).as_posix()
        return dumps_toml(data)


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
        raise UserError(f"cannot read the recipe {path}", why=str(error.strerror)) from error
    except (TOMLDecodeError, UnicodeDecodeError) as error:
        raise UserError("the recipe is not valid TOML", where=str(path), why=str(error)) from error
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
    try:
        return Recipe.model_validate(data)
    except ValidationError as error:
        raise UserError(
            "the recipe is not valid" if where else "an option is not valid",
            where=where,
            why=_first_problem(error),
            todo="`edgewright deploy --help` lists options and their values",
        ) from None


def _merged(data: Mapping[str, Any], overrides: Mapping[str, Any]) -> dict[str, Any]:
    result = dict(data)
    for key, value in overrides.items():
        if isinstance(value, Mapping):
            result[key] = {**result.get(key, {}), **value}
        elif value is not None:
            result[key] = value
    return result


def _first_problem(error: ValidationError) -> str:
    problem = error.errors()[0]
    where = ".".join(str(step) for step in problem["loc"])
    return f"{where}: {problem['msg']}" if where else str(problem["msg"])
