"""The end of a run: report, recipe and bundle in their places, or what lies there already when nothing changed."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgewright.errors import OutputError
from edgewright.files import file_digest, write_json_atomic, write_text_atomic
from edgewright.report.page import render_page
from edgewright.report.picture import Picture
from edgewright.verify.results import RunReport
from edgewright.workflow.recipe import Recipe
from edgewright.workflow.run_dir import RunDir

BUNDLE, PAGE, RECIPE, REPORT = "bundle", "report.html", "recipe.toml", "report.json"


@dataclass(frozen=True)
class Outcome:
    """What a run found, and how to pack what passed; `pack` is None when nothing did."""

    report: RunReport
    pictures: Sequence[Picture]
    pack: Callable[[Path], None] | None


@dataclass(frozen=True)
class Conclusion:
    """Where the results lie; `reused` when nothing had to be done."""

    report: RunReport
    bundle: Path | None
    page: Path
    recipe: Path
    reused: bool


def conclude(run: RunDir, recipe: Recipe, key: Mapping[str, Any], work: Callable[[], Outcome]) -> Conclusion:
    """Do the work unless the results of exactly this run are in place, unaltered.

    Args:
        key: everything that the results depend on.
        work: the way through the house.

    Raises:
        OutputError: results cannot be written.
    """

    def compute(folder: Path) -> dict[str, Any]:
        outcome = work()
        return {"report": outcome.report.to_json(), "files": _write(run.path, folder, recipe, outcome)}

    result = run.stage("result", key, compute)
    if result.reused and not _in_place(run.path, result.data["files"]):
        shutil.rmtree(result.folder)
        result = run.stage("result", key, compute)
    packed = any(name.startswith(f"{BUNDLE}/") for name in result.data["files"])
    return Conclusion(
        report=RunReport.from_json(result.data["report"]),
        bundle=run.path / BUNDLE if packed else None,
        page=run.path / PAGE,
        recipe=run.path / RECIPE,
        reused=result.reused,
    )


def _write(path: Path, draft: Path, recipe: Recipe, outcome: Outcome) -> dict[str, str]:
    """Write everything; the digests of what was written, by name.

    Page, recipe and report are written in `draft` first: when the disk is full, the results of the run before stay
    together as they were.
    """
    write_text_atomic(draft / RECIPE, recipe.to_toml(path))
    write_json_atomic(draft / REPORT, outcome.report.to_json())
    write_text_atomic(draft / PAGE, render_page(outcome.report, outcome.pictures))
    names = [RECIPE, REPORT, PAGE]
    if outcome.pack is not None:
        outcome.pack(path / BUNDLE)
    else:
        _remove_bundle(path / BUNDLE)  # of an older run: it must not be taken for the result of one that failed
    for name in names:
        os.replace(draft / name, path / name)  # noqa: PTH105 - Path.replace is the same call with another name
    if outcome.pack is not None:
        names += sorted(file.relative_to(path).as_posix() for file in (path / BUNDLE).rglob("*") if file.is_file())
    return {name: file_digest(path / name) for name in names}


def _in_place(path: Path, files: Mapping[str, str]) -> bool:
    return all((path / name).is_file() and file_digest(path / name) == digest for name, digest in files.items())


def _remove_bundle(folder: Path) -> None:
    if not folder.exists():
        return
    if not (folder / "manifest.json").is_file():
        raise OutputError(
            "the run directory holds a folder named bundle that is no bundle",
            where=str(folder),
            todo="move it away, or name another run directory with --out",
        )
    shutil.rmtree(folder)
