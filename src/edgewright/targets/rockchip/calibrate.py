"""The toolkit's first step: fuse the graph, calibrate it, and find out which tensor is which."""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from edgewright.errors import DataError, UserError
from edgewright.files import explained_write_errors, write_bytes_atomic
from edgewright.graph.model import Model
from edgewright.graph.reference import random_feeds
from edgewright.targets.backend import Feeds, Samples
from edgewright.targets.rockchip.fused import observed_ranges
from edgewright.targets.rockchip.handover import model_for_toolkit
from edgewright.targets.rockchip.plan import Prepared, prepared_from
from edgewright.targets.rockchip.tool import MODEL_FILE, NAME, Tool

ALGORITHMS = {"normal": "normal", "mmse": "mmse", "kl": "kl_divergence"}
"""The toolkit's own calibrations, and what it calls them."""
FUSED_FILE, STATE_FILE = "fused.onnx", "state.json"
RANGE_IMAGES = 8
"""For the few tensors of the fused graph that the plan has no range for, and to tell which tensor is which."""
_ALGORITHM_IMAGES = {"normal": 32, "mmse": 8, "kl": 32}
"""The toolkit's guide asks for 20 to 100 of them; with 32 of 512 x 512, mmse of a small detector takes 20 minutes."""
_FOLDER = "calibration"


def hand_over(model: Model, folder: Path) -> None:
    """Write the model into the folder of a call."""
    write_bytes_atomic(folder / MODEL_FILE, model_for_toolkit(model))


def prepare(tool: Tool, model: Model, folder: Path, samples: Samples | None) -> Prepared:
    """Run the first step; leaves what the second one needs in `folder`.

    Args:
        samples: network inputs of that many calibration images.

    Raises:
        UserError: there are no samples.
        WorkerFailed: the toolkit failed.
    """
    return _joined(tool, "prepare", {}, model, folder, samples, RANGE_IMAGES)


def calibrate(tool: Tool, model: Model, algorithm: str, folder: Path, samples: Samples | None) -> Prepared:
    """The same with the ranges of the toolkit's own calibration; leaves nothing to go on with.

    Args:
        algorithm: one of `ALGORITHMS`.
        samples: network inputs of that many calibration images.

    Raises:
        UserError: there is no such algorithm, or there are no samples.
        WorkerFailed: the toolkit failed.
    """
    if algorithm not in ALGORITHMS:
        raise UserError(f"{NAME} has no calibration {algorithm!r}", todo=f"it has {', '.join(ALGORITHMS)}")
    options = {"quantized_algorithm": ALGORITHMS[algorithm]}
    return _joined(tool, "calibrate", options, model, folder, samples, _ALGORITHM_IMAGES[algorithm])


def _joined(
    tool: Tool,
    command: str,
    options: Mapping[str, str],
    model: Model,
    folder: Path,
    samples: Samples | None,
    count: int,
) -> Prepared:
    """The worker's answer, joined to the prepared model by what both saw of the same images."""
    if samples is None:
        raise UserError(
            f"{NAME} needs calibration images to build in integers",
            why="tensors that only its fused graph has get their range from them",
            todo="give --calibration",
        )
    place = folder / _FOLDER
    hand_over(model, folder)
    try:
        with explained_write_errors(place):
            place.mkdir(parents=True, exist_ok=True)
            files = _write(model, itertools.islice(samples(count), count), place)
        arguments = {"samples": files, "options": dict(options)}
        with ThreadPoolExecutor(1) as pool:  # the toolkit takes seconds; ours goes on meanwhile
            ranges = pool.submit(observed_ranges, model, _read(model, folder, files))
            reply = tool.call(command, arguments, folder, samples=len(files))
        return prepared_from(reply, model, ranges.result())
    finally:
        shutil.rmtree(place, ignore_errors=True)


def random_samples(model: Model) -> Samples:
    """Inputs that tell tensors apart where there are no images."""
    return lambda count: (random_feeds(model.inputs, seed) for seed in range(count))


def _write(model: Model, samples: Iterable[Feeds], place: Path) -> list[list[str]]:
    """One row of files a sample, in the order of the model's inputs, relative to the call's folder."""
    files = []
    for index, feeds in enumerate(samples):
        row = []
        for position, port in enumerate(model.inputs):
            path = place / f"{index:04d}_{position}.npy"
            np.save(path, np.ascontiguousarray(feeds[port.name]))
            row.append(path.relative_to(place.parent).as_posix())
        files.append(row)
    if not files:
        raise DataError(f"there are no images to calibrate {NAME} with", todo="name a folder with images of your use")
    return files


def _read(model: Model, folder: Path, files: Sequence[Sequence[str]]) -> Iterator[Feeds]:
    for row in files:
        yield {port.name: np.load(folder / file) for port, file in zip(model.inputs, row, strict=True)}
