"""The vendor's own calibration, as a variant to compare ours with.

Its default, KL, cuts ranges off so hard that boxes saturated in our measurement; so it never is what a plan is made of
unless asked for.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np

from edgewright.errors import DataError, UserError
from edgewright.files import write_text_atomic
from edgewright.quant.plan import PrecisionPlan
from edgewright.targets.sophgo.build import Transformed
from edgewright.targets.sophgo.process import call_worker
from edgewright.targets.sophgo.session import Feeds
from edgewright.targets.sophgo.tables import read_calibration_table
from edgewright.toolchains.environments import Environment

METHODS = ("kl", "mse", "max", "percentile9999")
_TABLE, _LIST = "vendor_table.txt", "images.txt"


def vendor_plan(
    made: Environment, plan: PrecisionPlan, read: Transformed, feeds: Iterable[Feeds], method: str
) -> PrecisionPlan:
    """`plan` with the ranges that the vendor's calibration finds on the same samples.

    Args:
        made: TPU-MLIR's environment.
        read: the model as TPU-MLIR read it.
        feeds: calibration samples.
        method: one of `METHODS`.

    Raises:
        UserError: no such method.
        DataError: there are no samples.
        ToolchainError: the vendor's calibration failed.
    """
    if method not in METHODS:
        raise UserError(f"TPU-MLIR has no calibration {method!r}", todo=f"choose one of {', '.join(METHODS)}")
    paths = _save(read.folder, feeds)
    if not paths:
        raise DataError("there are no samples to calibrate on", todo="give calibration images")
    write_text_atomic(read.folder / _LIST, "".join(f"{path}\n" for path in paths))
    arguments = {"module": read.module, "list": _LIST, "count": len(paths), "method": method, "table": _TABLE}
    call_worker(made, "calibrate", arguments, read.folder)
    rows = read_calibration_table((read.folder / _TABLE).read_text(encoding="utf-8"))
    found = {read.names.tensors[name]: row.grid for name, row in rows.items() if name in read.names.tensors}
    activations = {name: found.get(name, grid) for name, grid in plan.activations.items()}
    origin = {**plan.origin, "observer": f"TPU-MLIR {made.version} {method}", "images": len(paths)}
    return replace(plan, activations=activations, origin=origin)


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
