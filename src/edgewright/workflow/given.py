"""What a verb is given, looked at before any long work: run directories, precisions, files, labels."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from edgewright.data.labels import Labels, load_labels
from edgewright.errors import TargetMismatch, UserError
from edgewright.graph.io import load_model
from edgewright.sources import is_folder_source, source_kind
from edgewright.sources.paddle.export import find_export
from edgewright.targets.backend import Backend, ChecksProgram, FromSource
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


def is_bundle(path: Path) -> bool:
    """Whether a path is to be opened as a bundle: a folder that is no model, or a zip."""
    return (path.is_dir() and not is_folder_source(path)) or path.suffix.lower() == ".zip"


def check_precisions(target: str, precisions: Iterable[str], backend: Backend) -> None:
    """Refuse what the target cannot compute in.

    Raises:
        UserError: the target lacks one of the precisions.
    """
    able = backend.capabilities().precisions
    for precision in precisions:
        if precision not in able:
            raise UserError(
                f"{target} has no {precision}",
                why=f"it computes in {', '.join(able)}",
                todo=f"choose --precision {' or '.join(able)}",
            )


def check_model_file(path: Path) -> None:
    """What is wrong with the model's files at first sight is told before any work.

    Raises:
        ModelError: there is no such file, or an export lacks a part.
        UserError: an export's description cannot be understood.
    """
    source_kind(path).check(path)


def check_source(target: str, backend: Backend, path: Path) -> None:
    """Refuse a model that is not of the framework whose own files a target builds from.

    Raises:
        UserError: the model is not of that framework, or of a form that the target cannot read.
    """
    kind = source_kind(path)
    if isinstance(backend, FromSource) and kind.name != backend.framework:
        found = f"this one is {kind.title}" if path.suffix.lower() == ".onnx" else "this is none"
        raise UserError(
            f"{target} runs models of {backend.framework}, and {found}",
            where=str(path),
            why=f"it builds from {backend.framework}'s own files, which cannot be made from ONNX",
            todo="name the export that the model came from (a folder of PaddleDetection, or its program), or choose "
            "another --target",
        )
    if isinstance(backend, ChecksProgram):
        backend.check_program(find_export(path).program)


def check_here(target: str, backend: Backend) -> None:
    """Refuse a target for which nothing can be built on this host, before any work.

    Raises:
        TargetMismatch: there is none such here.
    """
    able = backend.capabilities()
    if not able.builds_here:
        raise TargetMismatch(
            f"{target} cannot be used here",
            why=able.reason,
            todo="choose another --target; `edgewright targets` lists them",
        )


def check_plans(target: str, backend: Backend) -> None:
    """Refuse a target that takes no precision plan where one is to be analysed.

    Raises:
        UserError: it builds from a framework's own files.
    """
    if isinstance(backend, FromSource):
        raise UserError(
            f"{target} takes no precision plan, so there is nothing to analyse",
            why=f"it builds from {backend.framework}'s own files, in precisions of its own",
            todo="`edgewright deploy` tells its error by part; analyse for another --target",
        )


def read_task(recipe: Recipe, prepared: PreparedModel, images: ImageFiles, source: Path) -> Task:
    """What the outputs mean, with the names of the classes and the labels where there are any.

    Args:
        source: the ONNX model before preparation, whose metadata may hold names.

    Raises:
        DataError: the labels cannot be read, or are of more classes than the head has.
        UserError: labels were given for a head without boxes.
    """
    labels: Labels | None = None
    names: tuple[str, ...] = ()
    if prepared.head.task in ("detection", "classification"):
        names = class_names(load_model(source), int(prepared.head.params["nc"]))
    if prepared.head.task == "detection":
        classes = int(prepared.head.params["nc"])
        if recipe.data.labels is not None:
            labels = load_labels(Path(recipe.data.labels), images.paths, names)
            labels.check_classes(classes)
            names = tuple(labels.names) or names
    elif recipe.data.labels is not None:
        raise no_boxes(prepared.head)
    return Task(prepared.head, prepared.contract, names, labels)
