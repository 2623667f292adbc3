"""From what a command line gives to a recipe."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgewright.errors import UserError

if TYPE_CHECKING:
    from edgewright.workflow.recipe import Recipe


def recipe_of(path: Path | None, given: dict[str, Any]) -> Recipe:
    """The recipe in a file, with what flags say on top; without a file, what flags say.

    Args:
        given: sections of a recipe; None stands for what was not said.

    Raises:
        UserError: the model or the images are missing, or something that was said is not valid.
    """
    from edgewright.workflow.recipe import load_recipe, make_recipe

    said = {
        key: {k: v for k, v in value.items() if v is not None} if isinstance(value, dict) else value
        for key, value in given.items()
        if value is not None
    }
    if path is not None:
        return load_recipe(path, said)
    missing = [
        words
        for section, key, words in (("model", "path", "MODEL"), ("data", "images", "--images DIR"))
        if key not in said[section]
    ]
    if missing:
        raise UserError(f"{missing[0]} is missing", todo="give MODEL and --images DIR, or the recipe of a run")
    return make_recipe(said)


def model_or_run(model: Path, given: dict[str, Any], out: Path | None) -> tuple[Recipe, Path | None]:
    """The recipe for a model, or that of a run directory, with what flags say on top; and the run directory.

    Args:
        given: sections of a recipe; the model's path is added where `model` is one.
        out: the run directory that was asked for.

    Raises:
        UserError: the folder is no run directory, or as `recipe_of`.
    """
    from edgewright.sources import is_folder_source
    from edgewright.workflow.given import recipe_in

    if model.is_dir() and not is_folder_source(model):
        return recipe_of(recipe_in(model), given), model if out is None else out
    return recipe_of(None, {**given, "model": {**given["model"], "path": str(model)}}), out
