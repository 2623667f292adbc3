"""What is said where a Paddle program runs in none of the ways that it was asked to run in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from edgewright.graph.origin import Origin
from edgewright.targets.paddle.inference import Options, run_inference
from edgewright.targets.paddle.remedies import Setup, Tried, try_remedies
from edgewright.toolchains.deaths import WorkerFailed

_LINE = "\n         "
"""Behind `why:` in the text of an error."""


def with_remedies(error: WorkerFailed, origin: Origin, sample: Mapping[str, Any], folder: Path) -> WorkerFailed:
    """The failure of a program that the model's own version does not run, with what else was tried.

    Args:
        sample: by Paddle's names.
        folder: to work in.
    """

    def run(name: str, setup: Setup) -> None:
        run_inference(
            origin.program,
            origin.weights,
            [sample],
            version=setup.version,
            options=setup.options,
            folder=folder / f"remedy-{name}",
        )

    return explained(error, try_remedies(error.death, Setup(origin.version, Options()), origin.program, run)[1])


def explained(error: WorkerFailed, tried: Sequence[Tried]) -> WorkerFailed:
    """The failure with what was tried, and what nothing here can try."""
    done = [str(one) for one in tried if one.state != "not tried"]
    works = [one.what for one in tried if one.state == "works"]
    left = [one.what for one in tried if one.state == "not tried"]
    if done:
        head = "remedies that were tried here:" if works else "none of the remedies that can be tried here works:"
        error.why = _LINE.join([error.why, head, *done])
    error.todo = "; or ".join(works or [*([error.todo] if error.todo else []), *left])
    return error
