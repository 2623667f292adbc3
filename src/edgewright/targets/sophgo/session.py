"""Running what was built: the lowered module in TPU-MLIR's interpreter, many samples in one process."""

from __future__ import annotations

import itertools
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray
from typing_extensions import Self

from edgewright.errors import ToolchainError
from edgewright.targets.artifact import Artifact
from edgewright.targets.chunks import chunked
from edgewright.targets.sophgo.process import call_worker
from edgewright.tensors import TensorSpec
from edgewright.toolchains.clock import same_clock
from edgewright.toolchains.environments import Environment

Feeds = Mapping[str, NDArray[Any]]
Outputs = dict[str, NDArray[Any]]

_CHIP_SAMPLES, _CHIP_PROCESSES = 4, 8
"""Of the vendor's model of the chip, which computes on one core: samples for each process, and most processes."""
_START_SECONDS, _SAMPLE_SECONDS = 300.0, 120.0
"""Time limits: of a process, and on top for each sample. A large detector takes seconds an image in the interpreter."""


class Simulation:
    """Calls that run a module or a chip's file over samples.

    Args:
        made: TPU-MLIR's environment.
        command: "simulate" (the lowered module) or "chip" (the chip's file).
        files: what the call needs, linked into a folder of its own; the first one is run.
    """

    def __init__(self, made: Environment, command: str, files: Sequence[Path]) -> None:
        self._made, self.command, self._files = made, command, files

    def run(self, feeds: Iterable[Feeds], names: Sequence[str] | None = None) -> Iterator[list[NDArray[Any]]]:
        """Values of each sample, in the order of `names` (or that of the outputs)."""
        if self.command != "chip":
            for chunk in chunked(feeds):
                yield from self._chunk(chunk, names)
            return
        waiting = iter(feeds)
        processes = min(len(os.sched_getaffinity(0)), _CHIP_PROCESSES)
        with ThreadPoolExecutor(processes, initializer=same_clock()) as pool:
            while chunks := [
                chunk for _ in range(processes) if (chunk := list(itertools.islice(waiting, _CHIP_SAMPLES)))
            ]:
                for found in pool.map(lambda chunk: list(self._chunk(chunk, names)), chunks):
                    yield from found

    def _chunk(self, chunk: Sequence[Feeds], names: Sequence[str] | None) -> Iterator[list[NDArray[Any]]]:
        with tempfile.TemporaryDirectory(prefix="edgewright-sophgo-") as scratch:
            folder = Path(scratch)
            for path in self._files:
                link(path, folder / path.name)
            save_samples(folder / "in.npz", chunk)
            arguments = {
                "module": self._files[0].name,
                "inputs": "in.npz",
                "outputs": "out.npz",
                "names": list(names) if names is not None else None,
            }
            limit = _START_SECONDS + _SAMPLE_SECONDS * len(chunk)
            reply = call_worker(self._made, self.command, arguments, folder, limit)
            with np.load(folder / "out.npz", allow_pickle=False) as arrays:
                stacked = [arrays[f"t{index}"] for index in range(len(reply.result["names"]))]
            if any(len(values) != len(chunk) for values in stacked):
                raise ToolchainError("TPU-MLIR answered for another number of samples than it was given")
            for index in range(len(chunk)):
                yield [values[index] for values in stacked]


class SophgoSession:
    """See `targets.backend.Session`."""

    def __init__(self, artifact: Artifact, simulation: Simulation) -> None:
        self.ran_on = artifact.read_back["ran_on"]
        self._outputs = [port.spec for port in artifact.outputs]
        self._simulation = simulation

    @property
    def simulates(self) -> str:
        """What runs: "simulate" for the lowered module, "chip" for the chip's own file."""
        return self._simulation.command

    def __call__(self, feeds: Feeds) -> Outputs:
        """Run one sample: a process start for each; `run_many` starts one for all."""
        return next(self.run_many([feeds]))

    def run_many(self, feeds: Iterable[Feeds]) -> Iterator[Outputs]:
        """Run samples in order, some hundred in a process."""
        for values in self._simulation.run(feeds):
            yield shaped(values, self._outputs)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


def shaped(values: Sequence[NDArray[Any]], specs: Sequence[TensorSpec]) -> Outputs:
    """Values by name and in the shape of the outputs.

    Raises:
        ToolchainError: they are not as many, or not of that size.
    """
    if len(values) != len(specs):
        raise ToolchainError(f"TPU-MLIR gave {len(values)} outputs where the model has {len(specs)}")
    found: Outputs = {}
    for array, spec in zip(values, specs, strict=True):
        shape = [size or 0 for size in spec.shape]
        if array.size != int(np.prod(shape)):
            raise ToolchainError(
                f"TPU-MLIR gave output {spec.name!r} the shape {list(array.shape)}, the model has {shape}",
                todo="report this with the model",
            )
        found[spec.name] = array.reshape(shape).astype(spec.dtype)
    return found


def save_samples(path: Path, chunk: Sequence[Feeds]) -> None:
    """Samples as the worker reads them: an array for each input, with the names in an array of their own."""
    names = list(chunk[0])
    arrays: dict[str, Any] = {
        f"x_{index}": np.stack([sample[name] for sample in chunk]) for index, name in enumerate(names)
    }
    np.savez(path, names=np.array(names), **arrays)


def link(source: Path, target: Path) -> None:
    """A file under another folder, without copying it where the system can."""
    try:
        target.symlink_to(source.absolute())
    except OSError:
        shutil.copyfile(source, target)
