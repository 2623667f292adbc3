"""What a verb is given, looked at before any long work: run directories, precisions, files, labels."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from edgewright.data.labels import Labels, load_labels
from edgewright.errors import UserError
from edgewright.graph.io import load_model
from edgewright.targets.backend import Backend
from edgewright.tasks.names import class_names
from edgewright.workflow.conclude import RECIPE
from edgewright.workflow.inputs import ImageFiles
from edgewright.workflow.measured import Task, no_boxes
from edgewright.workflow.prepared import PreparedModel
from edgewright.workflow.recipe import Recipe


def recipe_in(folder: Path) -> Path:
    """The recipe of a run directory.

    Raises:
        UserError: the folder holds none.
    """
    path = folder / RECIPE
    if not path.is_file():
        raise UserError(
            "this folder is no run directory",
            where=str(folder),
            why=f"there is no {RECIPE} in it",
            todo="name the directory that a deploy wrote, or an ONNX file",
        )
    return path


def check_precisions(target: str, precisions: Iterable[str], backend: Backend) -> None:
    """Refuse what the target cannot compute in.

    Raises:
        UserError: the target lacks one of the precisions.
    """
    able = backend.capabilities().precisions
    for precision in precisions:
        if precision not in able:
            raise UserError(
                f"{target} has no {precision}", why=f"it computes in {', '.join(able)}", todo="choose --precision"
            )


def check_model_file(path: Path) -> None:
    """Errors about a missing file come before any work; `load_model` finds everything else.

    Raises:
        ModelError: there is no such file.
    """
    if not path.is_file():
        load_model(path)


def read_task(recipe: Recipe, prepared: PreparedModel, images: ImageFiles) -> Task:
    """What the outputs mean, with the names of the classes and the labels where there are any.

    Raises:
        DataError: the labels cannot be read, or are of more classes than the head has.
        UserError: labels were given for a head without boxes.
    """
    labels: Labels | None = None
    names: tuple[str, ...] = ()
    if prepared.head.task == "detection":
        classes = int(prepared.head.params["nc"])
        names = class_names(load_model(recipe.model.path), classes)
        if recipe.data.labels is not None:
            labels = load_labels(Path(recipe.data.labels), images.paths, names)
            labels.check_classes(classes)
            names = tuple(labels.names) or names
    elif recipe.data.labels is not None:
        raise no_boxes(prepared.head)
    return Task(prepared.head, prepared.contract, names, labels)
