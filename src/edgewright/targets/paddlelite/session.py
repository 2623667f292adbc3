"""Running an `.nb` file in Paddle Lite's own process, many samples in one."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray
from typing_extensions import Self

from edgewright.errors import BundleError, ToolchainError, UserError
from edgewright.targets.artifact import Artifact
from edgewright.targets.chunks import chunked
from edgewright.targets.paddlelite.process import call_worker
from edgewright.toolchains.environments import Environment

Feeds = Mapping[str, NDArray[Any]]
Outputs = dict[str, NDArray[Any]]

_CONSTANT_TYPES = ("float32", "float64", "int32", "int64")
_START_SECONDS, _SAMPLE_SECONDS = 120.0, 30.0
"""Time limits: of a process, and on top for each sample."""


class LiteSession:
    """See `targets.backend.Session`.

    Args:
        artifact: whose `read_back` says what the file's inputs are fed with and which outputs it has; see `build.py`.
        made: the environment with the runtime.
        ran_on: in words.

    Raises:
        BundleError: the artifact, which may come from anywhere, says something that cannot be.
    """

    def __init__(self, artifact: Artifact, made: Environment, ran_on: str) -> None:
        self.ran_on = ran_on
        self._file, self._made = artifact.path, made
        self._inputs = {port.spec.name: port.spec for port in artifact.inputs}
        self._outputs = {port.spec.name: port.spec for port in artifact.outputs}
        try:
            self._feeds = [self._feed(entry) for entry in artifact.read_back["feeds"]]
            self._fetches = [str(name) for name in artifact.read_back["fetches"]]
            fed = [entry for entry in self._feeds if isinstance(entry, str)]
            if (sorted(fed), sorted(self._fetches)) != (sorted(self._inputs), sorted(self._outputs)):
                raise ValueError("inputs or outputs are not those of the artifact")
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise BundleError(
                "this Paddle Lite artifact does not say what it is fed with",
                where=str(artifact.path),
                why=f"{type(error).__name__}: {error}",
                todo="pack the bundle again with `edgewright deploy`",
            ) from error

    def _feed(self, entry: Mapping[str, Any]) -> str | NDArray[Any]:
        """What an input of the file is fed with: an input of the artifact, or a constant."""
        name = entry["input"]
        if name is not None:
            return str(name)
        if entry["dtype"] not in _CONSTANT_TYPES:
            raise ValueError(f"a constant is of type {entry['dtype']!r}")
        return np.asarray(entry["values"], entry["dtype"])

    def __call__(self, feeds: Feeds) -> Outputs:
        """Run one sample: a process start for each; `run_many` starts one for all."""
        return next(self.run_many([feeds]))

    def run_many(self, feeds: Iterable[Feeds]) -> Iterator[Outputs]:
        """Run samples in order, some hundred in a process."""
        for chunk in chunked(feeds):
            yield from self._chunk(chunk)

    @property
    def keeps_time(self) -> bool:
        """The runtime lives in a process of its own, which takes the times."""
        return True

    def time_runs(self, feeds: Feeds, seconds: float, least: int, most: int) -> tuple[Sequence[float], str]:
        """Seconds of single warm runs; see `targets.backend.SelfTimed`."""
        with _scratch() as folder:
            wanted = {"seconds": seconds, "least": least, "most": most}
            limit = _START_SECONDS + seconds + _SAMPLE_SECONDS * least
            reply = call_worker(self._made, "latency", {**self._save(folder, [feeds]), **wanted}, folder, limit)
        return [
            float(value) for value in reply.result["seconds"]
        ], "in Paddle Lite's own process, inputs and outputs copied"

    def _chunk(self, chunk: Sequence[Feeds]) -> Iterator[Outputs]:
        with _scratch() as folder:
            arguments = {**self._save(folder, chunk), "outputs": "out.npz"}
            call_worker(self._made, "run", arguments, folder, _START_SECONDS + _SAMPLE_SECONDS * len(chunk))
            try:
                with np.load(folder / "out.npz", allow_pickle=False) as arrays:
                    stacked = [arrays[f"y{index}"] for index in range(len(self._fetches))]
            except (OSError, ValueError, KeyError) as error:
                raise ToolchainError("Paddle Lite left no readable result", why=repr(error)) from error
            if any(len(values) != len(chunk) for values in stacked):
                raise ToolchainError("Paddle Lite answered for another number of samples than it was given")
            for index in range(len(chunk)):
                yield self._shaped([values[index] for values in stacked])

    def _save(self, folder: Path, chunk: Sequence[Feeds]) -> dict[str, Any]:
        arrays: dict[str, Any] = {}
        for index, feed in enumerate(self._feeds):
            if isinstance(feed, str):
                arrays[f"x{index}"] = np.stack([self._checked(feed, sample) for sample in chunk])
            else:
                arrays[f"x{index}"] = np.stack([feed] * len(chunk))
        np.savez(folder / "in.npz", **arrays)
        return {"file": str(self._file.absolute()), "inputs": "in.npz", "fetches": len(self._fetches)}

    def _checked(self, name: str, sample: Feeds) -> NDArray[Any]:
        """The runtime itself takes any: it reads past the end of what is too small, and float64 as if it were float32.

        Raises:
            UserError: an input is missing, or is not of the artifact's type and shape.
        """
        spec = self._inputs[name]
        if name not in sample:
            raise UserError(f"input {name!r} is missing", why=f"the artifact wants {', '.join(self._inputs)}")
        values = sample[name]
        if str(values.dtype) != spec.dtype or list(values.shape) != list(spec.shape):
            raise UserError(
                f"input {name!r} is {values.dtype}{list(values.shape)}",
                why=f"the artifact wants {spec.dtype}{list(spec.shape)}",
            )
        return values

    def _shaped(self, values: Sequence[NDArray[Any]]) -> Outputs:
        """Outputs by name, each of the shape that the model gives it; axes of length 1 may be missing."""
        found: Outputs = {}
        for name, array in zip(self._fetches, values, strict=True):
            spec = self._outputs[name]
            shape = [size or 0 for size in spec.shape]
            if [size for size in array.shape if size != 1] != [size for size in shape if size != 1]:
                raise ToolchainError(
                    f"Paddle Lite gave output {name!r} the shape {list(array.shape)}, the model has {shape}",
                    todo="report this with the model",
                )
            found[name] = array.reshape(shape).astype(spec.dtype)
        return {name: found[name] for name in self._outputs}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


@contextmanager
def _scratch() -> Iterator[Path]:
    """A folder that goes away; the log of a call that failed stays."""
    with tempfile.TemporaryDirectory(prefix="edgewright-paddlelite-") as folder:
        try:
            yield Path(folder)
        except ToolchainError as error:
            if error.log and Path(error.log).is_file():
                with tempfile.NamedTemporaryFile(prefix="edgewright-paddlelite-", suffix=".log", delete=False) as kept:
                    kept.write(Path(error.log).read_bytes())
                error.log = kept.name
            raise
