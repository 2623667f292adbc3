"""The vendor's own calibration, as a variant to compare ours with.

Its default, KL, cuts ranges off so hard that boxes saturated in our measurement; so it never is what a plan is made of
unless asked for.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from edgewright.errors import DataError, ToolchainError, UserError
from edgewright.files import write_text_atomic
from edgewright.quant.plan import PrecisionPlan
from edgewright.targets.facts import toolchain_facts
from edgewright.targets.sophgo.build import Samples, Transformed
from edgewright.targets.sophgo.process import VENDOR, call_worker
from edgewright.targets.sophgo.session import Feeds
from edgewright.targets.sophgo.tables import read_calibration_table, symmetric_grid
from edgewright.tensors import Grid
from edgewright.toolchains.environments import Environment

_TABLE, _LIST = "vendor_table.txt", "images.txt"
_SAYS_METHOD = "threshold calculation method:"
_IMAGES = 100
"""The vendor's guide asks for 100 to 1000; each takes seconds."""


def methods(version: str) -> Mapping[str, Sequence[str]]:
    """The calibrations of a version, each with the options of run_calibration.py that choose it."""
    found: Mapping[str, Sequence[str]] = toolchain_facts(VENDOR, version)["calibrations"]
    return found


def vendor_plan(
    made: Environment, plan: PrecisionPlan, read: Transformed, samples: Samples, method: str
) -> PrecisionPlan:
    """`plan` with the ranges that the vendor's calibration finds on the same samples.

    Args:
        made: TPU-MLIR's environment.
        read: the model as TPU-MLIR read it.
        samples: network inputs of that many calibration images.
        method: one of `methods`.

    Raises:
        UserError: no such method.
        DataError: there are no samples.
        ToolchainError: the vendor's calibration failed, or its table says that it used another method.
    """
    known = methods(made.version)
    if method not in known:
        raise UserError(f"TPU-MLIR {made.version} has no calibration {method!r}", todo=f"it has {', '.join(known)}")
    paths = _save(read.folder, itertools.islice(samples(_IMAGES), _IMAGES))
    if not paths:
        raise DataError("there are no samples to calibrate on", todo="give calibration images")
    write_text_atomic(read.folder / _LIST, "".join(f"{path}\n" for path in paths))
    arguments = {"module": read.module, "list": _LIST, "count": len(paths), "table": _TABLE}
    call_worker(made, "calibrate", {**arguments, "options": list(known[method])}, read.folder)
    text = (read.folder / _TABLE).read_text(encoding="utf-8")
    _check_method(text, method)
    names = read.names.tensors
    found = {names[name]: grid for name, grid in vendor_grids(text).items() if name in names}
    activations = {name: found.get(name, grid) for name, grid in plan.activations.items()}
    origin = {**plan.origin, "observer": f"TPU-MLIR {made.version} {method}", "images": len(paths)}
    return replace(plan, activations=activations, origin=origin)


def vendor_grids(table: str) -> dict[str, Grid]:
    """The grids that TPU-MLIR takes from a table of its own making, by its names.

    The grid reaches to the threshold, which is what its methods choose; minimum and maximum are what was seen, and tell
    only whether there are negative values.

    Raises:
        UserError: a line is not of the form.
    """
    seen = read_calibration_table(table)
    lines = [line.split("#")[0].split() for line in table.splitlines()]
    thresholds = {words[0]: float(words[1]) for words in lines if words}
    return {
        name: symmetric_grid(0.0 if row.low >= 0 else -thresholds[name], thresholds[name]) for name, row in seen.items()
    }


def _check_method(table: str, method: str) -> None:
    """The head of a table says by which method it was made; versions before 1.8 do not."""
    said = next((line for line in table.splitlines() if _SAYS_METHOD in line), None)
    if said is not None and method not in said.partition(_SAYS_METHOD)[2]:
        raise ToolchainError(f"TPU-MLIR was asked to calibrate by {method!r}, but did otherwise", why=said.strip("# "))


def _save(folder: Path, feeds: Iterable[Feeds]) -> list[Path]:
    """One .npz for each sample, its arrays named as the inputs."""
    images = folder / "samples"
    images.mkdir(exist_ok=True)
    paths = []
    for index, sample in enumerate(feeds):
        path = images / f"{index:05d}.npz"
        arrays = dict(sample)
        with path.open("wb") as file:
            np.savez(file, **arrays)  # type: ignore[arg-type]
        paths.append(path.absolute())
    return paths
