"""A Paddle artifact as a session: many samples in one child process."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any

import numpy as np
from typing_extensions import Self

from edgewright.errors import BundleError, ToolchainError, UserError
from edgewright.graph.origin import Origin
from edgewright.targets.artifact import Artifact
from edgewright.targets.backend import Feeds, Outputs
from edgewright.targets.chunks import chunked
from edgewright.targets.paddle.inference import Timing, run_inference
from edgewright.targets.paddle.remedies import Setup, from_json
from edgewright.tensors import TensorSpec


@dataclass(frozen=True)
class Runnable:
    """What a session needs of an artifact.

    Attributes:
        origin: the program, with Paddle's names and what else it is fed with.
        setup: with what it runs.
        inputs, outputs: the artifact's ports, in the order of the names in `origin`.
    """

    origin: Origin
    setup: Setup
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]

    @classmethod
    def of(cls, artifact: Artifact) -> Runnable:
        """What an artifact, which may come from anywhere, says of itself.

        Raises:
            BundleError: it says something that cannot be.
        """
        try:
            origin = Origin.from_json(artifact.read_back["origin"], artifact.folder)
            setup = from_json(artifact.read_back["setup"])
            inside = [origin.program, origin.weights] == [artifact.folder / name for name in artifact.files]
            paired = (len(origin.inputs), len(origin.outputs)) == (len(artifact.inputs), len(artifact.outputs))
            if not (inside and paired):
                raise ValueError("files or ports are not those of the artifact")
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise BundleError(
                "this Paddle artifact does not say how it is run",
                where=str(artifact.path),
                why=f"{type(error).__name__}: {error}",
                todo="pack the bundle again with `edgewright deploy`",
            ) from error
        ports = tuple(port.spec for port in artifact.inputs), tuple(port.spec for port in artifact.outputs)
        return cls(origin, setup, *ports)

    def feed(self, sample: Feeds) -> dict[str, Any]:
        """A sample by Paddle's names, with the constants."""
        fed: dict[str, Any] = dict(self.origin.constants)
        for name, spec in zip(self.origin.inputs, self.inputs, strict=True):
            if spec.name not in sample:
                raise UserError(f"the input {spec.name!r} is not given")
            values = np.asarray(sample[spec.name])
            if spec.is_static and values.shape != spec.shape:
                raise UserError(f"the input {spec.name!r} wants shape {spec.shape}, but got {values.shape}")
            fed[name] = np.ascontiguousarray(values, spec.dtype)
        return fed

    def answer(self, found: Mapping[str, Any]) -> Outputs:
        """Paddle's outputs by the artifact's names, in its shapes and types."""
        answered: Outputs = {}
        for name, spec in zip(self.origin.outputs, self.outputs, strict=True):
            if name not in found:
                raise ToolchainError(f"the program gives no {name!r}", why=f"it gives {', '.join(found)}")
            values = np.asarray(found[name])
            if spec.is_static:
                if values.size != np.prod([size or 1 for size in spec.shape]):
                    raise ToolchainError(f"Paddle gave {name!r} the shape {values.shape}, the model has {spec.shape}")
                values = values.reshape([size or 1 for size in spec.shape])
            answered[spec.name] = values.astype(spec.dtype, copy=False)
        return answered


class PaddleSession:
    """See `targets.backend.Session` and `SelfTimed`."""

    def __init__(self, runnable: Runnable) -> None:
        self.ran_on = f"Paddle {runnable.setup.version} cpu"
        self._runnable = runnable

    @property
    def keeps_time(self) -> bool:
        """Starting a process for each run would be most of what is measured."""
        return True

    def __call__(self, feeds: Feeds) -> Outputs:
        """Run one sample: a process start for each; `run_many` starts one for some hundred."""
        return next(self.run_many([feeds]))

    def run_many(self, feeds: Iterable[Feeds]) -> Iterator[Outputs]:
        """Run samples in order."""
        for chunk in chunked(self._runnable.feed(sample) for sample in feeds):
            origin, setup = self._runnable.origin, self._runnable.setup
            told = run_inference(origin.program, origin.weights, chunk, version=setup.version, options=setup.options)
            yield from map(self._runnable.answer, told.outputs)

    def time_runs(self, feeds: Feeds, seconds: float, least: int, most: int) -> tuple[Sequence[float], str]:
        """Seconds of single runs in one warm process, inputs set and outputs got, and how it was configured."""
        origin, setup = self._runnable.origin, self._runnable.setup
        told = run_inference(
            origin.program,
            origin.weights,
            [self._runnable.feed(feeds)],
            version=setup.version,
            options=setup.options,
            timing=Timing(seconds, least, most),
        )
        threads = int(told.settings.get("threads", 1))
        onednn = "with" if told.settings.get("onednn") else "without"
        return told.times, f"in one process, batch 1, {threads} thread{'s' if threads != 1 else ''}, {onednn} oneDNN"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing is held open between calls."""
