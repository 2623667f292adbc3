# Runs on a Paddle environment's Python 3.11.
"""A Paddle program cut before its suppression of boxes, which chips lack and heads are compared without."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import describe  # type: ignore[import-not-found]
import programs  # type: ignore[import-not-found]
from worker_side import main  # type: ignore[import-not-found]

STEM = "model"


def normalise(arguments: dict[str, Any]) -> dict[str, Any]:
    """{"program", "weights"} to {"before", "after", "cut", "kept"}; `model.*` is written into the working folder.

    `before` and `after` are as `describe` tells them. `cut` says what was cut: its op, settings and the outputs that
    fell away; None where nothing was. `kept` says why a suppression was left in; empty where none was.
    """
    source = programs.load(arguments["program"], arguments["weights"])
    before = describe.facts(source)
    found = source.suppressions()
    if len(found) != 1:
        for path in (arguments["program"], arguments["weights"]):
            shutil.copyfile(path, STEM + Path(path).suffix)
        kept = f"it has {len(found)} ops that suppress boxes, and which one ends it is not known" if found else ""
        return {"before": before, "after": before, "cut": None, "kept": kept}
    targets, dropped = source.cut(found[0])
    source.save(STEM, targets)
    suffix = Path(arguments["program"]).suffix
    after = describe.facts(programs.load(STEM + suffix, f"{STEM}.pdiparams"))
    return {"before": before, "after": after, "cut": {**source.about(found[0]), "outputs": dropped}, "kept": ""}


if __name__ == "__main__":
    main({"normalise": normalise})
