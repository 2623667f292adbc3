"""Building for Paddle Inference: the program is copied, and run as its user will run it before anything else."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from edgewright.files import digest_of, explained_write_errors, file_digest
from edgewright.graph.model import Model
from edgewright.graph.origin import Origin
from edgewright.targets.artifact import Artifact, PortSpec
from edgewright.targets.paddle.advice import explained
from edgewright.targets.paddle.files import check_files
from edgewright.targets.paddle.inference import Inference, Options, run_inference
from edgewright.targets.paddle.process import NAME
from edgewright.targets.paddle.remedies import Setup, Tried, cause_code, try_remedies
from edgewright.targets.paddle.session import Runnable
from edgewright.tensors import TensorSpec
from edgewright.toolchains.deaths import WorkerFailed
from edgewright.toolchains.worker import LOG

PROGRAM, WEIGHTS, TRIAL = "model", "model.pdiparams", "trial"
_TRIAL_SECONDS = 300.0


def build(origin: Origin, model: Model, version: str, target: str, folder: Path) -> Artifact:
    """Copy a program into `folder` and run it once by default; where that fails, with the first remedy that works.

    Raises:
        UserError: the files are not what this version reads.
        WorkerFailed: it fails in every way that can be tried here; the message tells each.
        ToolchainError: it has other outputs than the ONNX model that was made from it.
    """
    check_files(origin.program, origin.weights, version)
    here = _copied(origin, folder)
    samples = [_sample(model.inputs)]
    runnable = Runnable(here, Setup(version, Options()), model.inputs, model.outputs)
    setup, tried, cause, told = _working(runnable, samples, folder)
    runnable = replace(runnable, setup=setup)
    runnable.answer(told.outputs[0])
    with suppress(OSError):
        (folder / TRIAL).rmdir()  # where nothing failed
    files = (here.program.name, here.weights.name)
    made_of = {name: file_digest(folder / name) for name in files}
    return Artifact(
        target=target,
        precision="float",
        files=files,
        folder=folder,
        inputs=tuple(PortSpec(spec) for spec in model.inputs),
        outputs=tuple(PortSpec(spec) for spec in model.outputs),
        toolchain={NAME: setup.version},
        digest=digest_of({**made_of, "setup": setup.to_json(), "origin": here.to_json()}),
        read_back={
            "int8": 0,
            "int16": 0,
            "float": len(list(model.ir.graph)),
            "origin": here.to_json(),
            "setup": setup.to_json(),
            "settings": dict(told.settings),
            "asked": version,
            "cause": cause,
            "remedies": [one.to_json() for one in tried],
        },
    )


def _copied(origin: Origin, folder: Path) -> Origin:
    names = PROGRAM + origin.program.suffix, WEIGHTS
    with explained_write_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(origin.program, folder / names[0])
        shutil.copyfile(origin.weights, folder / names[1])
    return replace(origin, program=folder / names[0], weights=folder / names[1])


def _working(
    runnable: Runnable, samples: Sequence[dict[str, Any]], folder: Path
) -> tuple[Setup, tuple[Tried, ...], dict[str, str] | None, Inference]:
    """The setup that runs, what was tried for it, why the usual one does not, and the answer."""
    answers: dict[Setup, Inference] = {}

    def run(name: str, setup: Setup) -> None:
        origin = runnable.origin
        place = folder / TRIAL / name
        with _only_log_of_failure(place):
            answers[setup] = run_inference(
                origin.program,
                origin.weights,
                [runnable.feed(sample) for sample in samples],
                version=setup.version,
                options=setup.options,
                folder=place,
                seconds=_TRIAL_SECONDS,
            )

    try:
        run("default", runnable.setup)
    except WorkerFailed as error:
        found, tried = try_remedies(error.death, runnable.setup, runnable.origin.program, run)
        if found is None:
            raise explained(error, tried) from error
        cause = error.death.cause
        told = {"code": cause_code(error.death), "what": cause.cause if cause else error.death.what}
        return found, tried, {**told, "line": cause.line if cause else ""}, answers[found]
    return runnable.setup, (), None, answers[runnable.setup]


@contextmanager
def _only_log_of_failure(place: Path) -> Iterator[None]:
    """Of a trial that works nothing is kept, of another one the log."""
    try:
        yield
    except WorkerFailed:
        for path in place.iterdir():
            if path.name != LOG:
                path.unlink()
        raise
    shutil.rmtree(place, ignore_errors=True)


def _sample(inputs: Sequence[TensorSpec]) -> dict[str, Any]:
    """Seeded inputs, in 0..1 as normalised pictures are."""
    random = np.random.default_rng(0)
    return {spec.name: random.random([size or 1 for size in spec.shape]).astype(spec.dtype) for spec in inputs}
