"""The simulator as a session: one child process for many samples."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from typing_extensions import Self

from edgewright.errors import ToolchainError, UserError
from edgewright.files import explained_write_errors
from edgewright.targets.artifact import Artifact
from edgewright.targets.backend import Feeds, Outputs
from edgewright.targets.rockchip.plan import PLAN_FILE
from edgewright.targets.rockchip.tool import NAME, Tool
from edgewright.toolchains.worker import LOG

_MOST_SAMPLES = 512
_MOST_BYTES = 1 << 30
"""Of inputs that lie on disk for one process; the next samples go to another process, which builds again."""


class SimulatorSession:
    """See `targets.backend.Session`.

    The simulator works only in the process that built, so every process starts with a build of some seconds: many
    samples at a time are cheap, single ones are not.
    """

    def __init__(self, artifact: Artifact, tool: Tool) -> None:
        self.ran_on = f"{NAME} {tool.version} simulator of {tool.chip}"
        self._artifact, self._tool = artifact, tool

    def __call__(self, feeds: Feeds) -> Outputs:
        """Run one sample; costs a build."""
        return next(iter(self.run_many([feeds])))

    def run_many(self, feeds: Iterable[Feeds]) -> Iterator[Outputs]:
        """Run samples in order."""
        return self._answers("run", feeds, [port.spec.name for port in self._artifact.outputs], {})

    def trace(self, tensors: Mapping[str, str], feeds: Iterable[Feeds]) -> Iterator[Outputs]:
        """Inner tensors, by name: `tensors` says which one of the fused graph is meant."""
        return self._answers("trace", feeds, list(tensors), {"tensors": list(tensors.values())})

    def analyse(self, tensors: Mapping[str, str], feeds: Iterable[Feeds]) -> Iterator[tuple[Outputs, str]]:
        """Float values of inner tensors, as `trace` names them, and the toolkit's table of errors, for each sample."""
        told: list[Mapping[str, Any]] = []
        answers = self._answers("single", feeds, list(tensors), {"tensors": list(tensors.values())}, told)
        for index, values in enumerate(answers):
            yield values, [text for reply in told for text in reply["analyses"]][index]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing is held open between calls."""

    def _answers(
        self,
        command: str,
        feeds: Iterable[Feeds],
        names: Sequence[str],
        arguments: Mapping[str, Any],
        told: list[Mapping[str, Any]] | None = None,
    ) -> Iterator[Outputs]:
        """Values for each sample; `told` gets what the worker says besides."""
        waiting = iter(feeds)
        while True:
            folder = Path(tempfile.mkdtemp(prefix="edgewright-"))
            try:
                with explained_write_errors(folder):
                    count = self._write(waiting, folder)
                    if count == 0:
                        return
                    for file in self._artifact.files:
                        shutil.copyfile(self._artifact.folder / file, folder / file)
                yield from self._call(command, folder, count, names, arguments, told)
            except ToolchainError:
                _keep_log(folder)
                raise
            finally:
                if not (folder / LOG).is_file() or len(list(folder.iterdir())) > 1:
                    shutil.rmtree(folder, ignore_errors=True)

    def _write(self, waiting: Iterator[Feeds], folder: Path) -> int:
        """Write samples until enough lie there; returns how many."""
        count = size = 0
        while count < _MOST_SAMPLES and size < _MOST_BYTES:
            sample = next(waiting, None)
            if sample is None:
                break
            arrays = {str(index): self._input(sample, index) for index in range(len(self._artifact.inputs))}
            np.savez(folder / _file("sample", count), **arrays)  # type: ignore[arg-type, unused-ignore]
            size += sum(array.nbytes for array in arrays.values())
            count += 1
        return count

    def _input(self, sample: Feeds, index: int) -> Any:
        spec = self._artifact.inputs[index].spec
        if spec.name not in sample:
            raise UserError(f"the input {spec.name!r} is not given", where=self._artifact.target)
        if tuple(sample[spec.name].shape) != tuple(spec.shape):
            raise UserError(
                f"the input {spec.name!r} wants shape {spec.shape}, but got {tuple(sample[spec.name].shape)}",
                where=self._artifact.target,
            )
        return np.ascontiguousarray(sample[spec.name])

    def _call(
        self,
        command: str,
        folder: Path,
        count: int,
        names: Sequence[str],
        arguments: Mapping[str, Any],
        told: list[Mapping[str, Any]] | None,
    ) -> Iterator[Outputs]:
        files = {
            "samples": [_file("sample", index) for index in range(count)],
            "results": [_file("result", index) for index in range(count)],
        }
        whole = {**build_arguments(self._artifact), **files, **arguments}
        said = self._tool.call(command, whole, folder, samples=count)
        if told is not None:
            told.append(said)
        for file in files["results"]:
            try:
                with np.load(folder / file, allow_pickle=False) as arrays:
                    values = [arrays[str(index)] for index in range(len(arrays.files))]
            except (OSError, ValueError, KeyError) as error:
                raise ToolchainError(f"{NAME} left no readable result", where=file, why=repr(error)) from error
            if len(values) != len(names):
                raise ToolchainError(f"{NAME} gave {len(values)} outputs, the model has {len(names)}", where=file)
            yield dict(zip(names, values, strict=True))


def build_arguments(artifact: Artifact) -> dict[str, Any]:
    """What tells the worker to build an artifact again."""
    return {"plan": PLAN_FILE} if PLAN_FILE in artifact.files else {}


def _keep_log(folder: Path) -> None:
    """Of a call that failed only the log is kept."""
    for path in folder.iterdir():
        if path.name != LOG:
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def _file(kind: str, index: int) -> str:
    return f"{kind}{index:04d}.npz"
