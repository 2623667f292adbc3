# Runs on a Paddle environment's Python 3.11.
"""A Paddle program cut before it chooses detections, which chips cannot and behind which heads cannot be compared."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import describe  # type: ignore[import-not-found]
import programs  # type: ignore[import-not-found]
import queries  # type: ignore[import-not-found]
from worker_side import main  # type: ignore[import-not-found]

STEM = "model"
WEIGHTS = ".pdiparams"


def normalise(arguments: dict[str, Any]) -> dict[str, Any]:
    """{"program", "weights", "size"} to {"before", "after", "cut", "kept"}; `model.*` is written into the working
    folder.

    `size` is height and width where the program leaves them open. `before` and `after` are as `describe` tells them.
    `cut` says what was cut: its op, by what it chooses ("nms" or "topk"), settings, the outputs that fell away, and for
    "topk" the largest `gap` between both programs' rows, or why there is none (`unproven`); None where nothing was cut.
    `kept` says why a choice was left in; empty where none was.
    """
    source = programs.load(arguments["program"], arguments["weights"])
    before = describe.facts(source)
    ending, kept = _ending(source)
    if ending is None:
        return _whole(arguments, before, kept)
    targets, dropped = source.cut(ending)
    source.save(STEM, targets)
    cut = programs.load(STEM + Path(arguments["program"]).suffix, STEM + WEIGHTS)
    told = {**source.about(ending.starts[0]), "by": ending.by, "outputs": dropped}
    if ending.by == "topk":
        gap, unproven = _gap(source, cut, arguments["size"])
        if gap is not None and gap > queries.LIMIT:
            return _whole(arguments, before, f"a program that ends before it gave other detections ({gap:.2g})")
        told.update(gap=gap, unproven=unproven)
    return {"before": before, "after": describe.facts(cut), "cut": told, "kept": ""}


def _gap(source: Any, cut: Any, size: list[int | None]) -> tuple[float | None, str]:
    try:
        gap = queries.largest_gap(source, cut, size)
    except Exception as error:  # noqa: BLE001 - whatever Paddle raises of a program that it cannot run
        return None, f"Paddle does not run it op by op ({programs.summary(error)})"
    return gap, "" if gap is not None else "noise gave no rows of class, score and corners"


def _ending(source: Any) -> tuple[Any, str]:
    """Where a program begins to choose, and why that is not known."""
    found = source.suppressions()
    if not found:
        return queries.best_of_queries(source), ""
    if len(found) > 1:
        return None, f"it has {len(found)} ops that suppress boxes, and which one ends it is not known"
    return source.suppression(found[0]), ""


def _whole(arguments: dict[str, Any], before: dict[str, Any], kept: str) -> dict[str, Any]:
    for path in (arguments["program"], arguments["weights"]):
        shutil.copyfile(path, STEM + Path(path).suffix)
    return {"before": before, "after": before, "cut": None, "kept": kept}


if __name__ == "__main__":
    main({"normalise": normalise})
