"""Paddle Inference as a function: samples in, outputs out, all in one child process."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, TypeAdapter

from edgewright.errors import ToolchainError, UserError
from edgewright.files import explained_write_errors
from edgewright.targets.paddle.process import call_worker, paddle_environment
from edgewright.toolchains.worker import LOG

Feeds = Mapping[str, NDArray[Any]]
Outputs = dict[str, NDArray[Any]]

_START_SECONDS, _SAMPLE_SECONDS = 300.0, 30.0
"""Time limits: of a process, and on top for each sample."""


@dataclass(frozen=True)
class Options:
    """How Paddle Inference is configured; the defaults leave everything as Paddle has it.

    Attributes:
        onednn: "on", "off", or "default": what this version does by itself (on, in 2.6.2, 3.0.0rc1 and 3.3.1).
        ir_optim: whether the program is optimised when it is loaded; None: as Paddle has it.
        threads: of the math library; None: as Paddle has it.
        attempts: predictors to make one after another until one runs: some faults hit only the first of a process.
        batch: samples that are joined into one run.
        twice: run every batch twice and compare.
        device: "cpu" or "gpu".
    """

    onednn: Literal["default", "on", "off"] = "default"
    ir_optim: bool | None = None
    threads: int | None = None
    attempts: Annotated[int, Field(ge=1, le=8)] = 1
    batch: Annotated[int, Field(ge=1)] = 1
    twice: bool = False
    device: Literal["cpu", "gpu"] = "cpu"

    def to_json(self) -> dict[str, Any]:
        """The options as JSON data."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Options:
        """Inverse of `to_json`.

        Raises:
            ValueError: these are no options.
        """
        known = cls().to_json()
        if unknown := sorted(set(data) - set(known)):
            raise ValueError(f"there is no option {unknown[0]!r}")
        return _OPTIONS.validate_python({**known, **data})


_OPTIONS = TypeAdapter(Options)


@dataclass(frozen=True)
class Timing:
    """How many runs of the first sample are timed, warm, in the worker: until `seconds` are over, within the limits."""

    seconds: float = 1.0
    least: int = 15
    most: int = 200


@dataclass(frozen=True)
class Inference:
    """What Paddle Inference answered.

    Attributes:
        outputs: of each sample, by the names of the program's fetched tensors, in their order.
        inputs, names: what the program is fed with and what is fetched, in its order.
        versions: of Paddle and NumPy.
        settings: what the configuration says of itself (`onednn`, `ir_optim`, `threads`, `gpu`).
        attempts: how many predictors it took.
        seconds: of all runs together.
        times: seconds of single warm runs, where asked for.
        differences: with `Options.twice`, by output the largest absolute difference between both runs; -1 where they
            differ in shape or in NaN.
    """

    outputs: tuple[Outputs, ...]
    inputs: tuple[str, ...]
    names: tuple[str, ...]
    versions: Mapping[str, str]
    settings: Mapping[str, Any]
    attempts: int
    seconds: float
    times: tuple[float, ...]
    differences: Mapping[str, float]


def run_inference(
    program: Path,
    weights: Path,
    samples: Iterable[Feeds],
    *,
    version: str | None = None,
    options: Options | None = None,
    timing: Timing | None = None,
    folder: Path | None = None,
    seconds: float | None = None,
) -> Inference:
    """Run a Paddle program over samples in one child process.

    Args:
        program: `.pdmodel`, or `.json` of Paddle 3.
        weights: `.pdiparams`.
        samples: feeds by Paddle's names, each with the batch axis.
        version: of Paddle (the default one).
        timing: time single runs too.
        folder: to work in, where `log.txt` stays; None: a temporary one, of which the log stays when it fails.
        seconds: time limit; None: some minutes and half a minute a sample.

    Raises:
        UserError: a file is missing, or there is no sample.
        ToolchainMissing: this Paddle is not installed.
        WorkerFailed: it died, hung or raised; its `death.cause` says why where that is known.
    """
    for path, what in ((program, "program"), (weights, "weights")):
        if not path.is_file():
            raise UserError(f"the {what} of the Paddle model is missing", where=str(path))
    made = paddle_environment(version)
    with _scratch(folder) as work, explained_write_errors(work):
        count = _save(work / "samples.npz", samples)
        arguments = {
            "program": str(program.absolute()),
            "weights": str(weights.absolute()),
            "samples": "samples.npz",
            "results": "results.npz",
            "options": (options or Options()).to_json(),
            "timing": asdict(timing) if timing else None,
        }
        limit = _START_SECONDS + _SAMPLE_SECONDS * count if seconds is None else seconds
        told = call_worker(made, "infer", arguments, work, limit).result
        return Inference(
            outputs=tuple(_load(work / "results.npz", told["outputs"], count)),
            inputs=tuple(told["inputs"]),
            names=tuple(told["outputs"]),
            versions=told["versions"],
            settings=told["settings"],
            attempts=told["attempts"],
            seconds=told["seconds"],
            times=tuple(told["times"]),
            differences=told["differences"] or {},
        )


def _save(path: Path, samples: Iterable[Feeds]) -> int:
    arrays: dict[str, Any] = {}
    names: list[str] | None = None
    count = 0
    for sample in samples:
        names = list(sample) if names is None else names
        if sorted(sample) != sorted(names):
            raise UserError(f"sample {count} has inputs {sorted(sample)}, the first one had {sorted(names)}")
        arrays.update({f"{count}_{place}": np.asarray(sample[name]) for place, name in enumerate(names)})
        count += 1
    if not count:
        raise UserError("there is no sample to run")
    np.savez(path, names=np.array(names), **arrays)
    return count


def _load(path: Path, names: Sequence[str], count: int) -> Iterator[Outputs]:
    try:
        with np.load(path, allow_pickle=False) as arrays:
            for index in range(count):
                yield {name: arrays[f"{index}_{place}"] for place, name in enumerate(names)}
    except (OSError, ValueError, KeyError) as error:
        raise ToolchainError("Paddle left no readable result", where=path.name, why=repr(error)) from error


@contextmanager
def _scratch(folder: Path | None) -> Iterator[Path]:
    """`folder`, or a temporary one, of which only the log of a failed call is kept."""
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        yield folder
        return
    work = Path(tempfile.mkdtemp(prefix="edgewright-paddle-"))
    try:
        yield work
    except ToolchainError:
        for path in work.iterdir():
            if path.name != LOG:
                path.unlink()
        if not (work / LOG).exists():
            work.rmdir()
        raise
    except BaseException:
        shutil.rmtree(work, ignore_errors=True)
        raise
    shutil.rmtree(work, ignore_errors=True)
