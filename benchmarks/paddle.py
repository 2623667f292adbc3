"""Latency of Paddle's runtimes beside ONNX Runtime's on this CPU, and how far their outputs are apart.

    python benchmarks/paddle.py EXPORT...     # folders of PaddleDetection's export, or programs

One core for all of them. Each model is converted once; every target gets it in float and is timed warm, in rounds that
alternate; Paddle's runtimes hold the clock in their own process. Ratios are to ONNX Runtime in the same run. Relative
L2 is of each output, worst of the samples. A target whose toolchain is not installed is left out, and said so.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np

from edgewright.errors import EdgewrightError
from edgewright.graph.io import load_model
from edgewright.graph.model import Model
from edgewright.graph.origin import Origin
from edgewright.graph.prepare import prepare
from edgewright.graph.reference import random_feeds
from edgewright.graph.steps import PrepareOptions
from edgewright.targets.backend import FromSource, Session
from edgewright.targets.registry import get_backend, target_names
from edgewright.verify.latency import measure_latency
from edgewright.workflow.recipe import make_recipe
from edgewright.workflow.sourced import source_once

REFERENCE = "onnxruntime/cpu"
TARGETS = (REFERENCE, "paddle/cpu", "paddlelite/x86")
ROUNDS, SECONDS, SAMPLES = 3, 2.0, 4


def main() -> None:
    """Print a table for each export."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("exports", nargs="+", type=Path)
    one_core()
    for path in parser.parse_args().exports:
        with ExitStack() as stack:
            measure(path, stack)


def one_core() -> None:
    """This process and its children on one core: the runtimes' own ideas of a good number of threads differ."""
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})


def measure(path: Path, stack: ExitStack) -> None:
    """Build one export for every target, and compare."""
    recipe = make_recipe({"model": {"path": str(path)}, "data": {"images": ""}})
    sourced = source_once(path, recipe, stack)
    if sourced.origin is None:
        raise SystemExit(f"{path} is no Paddle export")
    source = load_model(sourced.path)
    model = prepare(source, PrepareOptions({}, 13, ()), lambda made: [random_feeds(made.inputs)]).model
    samples = [random_feeds(model.inputs, seed) for seed in range(SAMPLES)]
    sessions: dict[str, Session] = {}
    print(f"\n{path.name}: {', '.join(map(str, model.inputs))}, one core")
    for target in TARGETS:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        try:
            sessions[target] = stack.enter_context(opened(target, model, sourced.origin, folder))
        except EdgewrightError as error:
            print(f"{target:<18} left out: {error.what}")
    report(sessions, samples)


def opened(target: str, model: Model, origin: Origin, folder: Path) -> Session:
    """A session of `model`, built in float for a target."""
    if target not in target_names():
        raise EdgewrightError("there is no such target")
    own = target.startswith(f"{origin.framework}/")
    backend = get_backend(f"{target}=={origin.version}" if own else target)
    if isinstance(backend, FromSource):
        artifact = backend.build_from(origin, model, "float", folder)
    else:
        artifact = backend.build(model, None, folder)
    for finding in backend.review(artifact, None):
        print(f"{target:<18} {finding.code} {finding.message}")
    return backend.open(artifact)


def report(sessions: Mapping[str, Session], samples: Sequence[Mapping[str, Any]]) -> None:
    """The table: time, ratio to ONNX Runtime, relative L2 by output."""
    rounds = [measure_latency(sessions, samples[0], seconds=SECONDS, threads=1) for _ in range(ROUNDS)]
    medians = {name: statistics.median(one[name].median_ms for one in rounds) for name in sessions}
    expected = list(sessions[REFERENCE].run_many(samples))
    print(f"{'target':<18}{'median ms':>10}{'ratio':>8}  relative L2 by output; how it was timed")
    for name, session in sessions.items():
        found = list(session.run_many(samples))
        errors = {
            output: max(relative_l2(one[output], other[output]) for one, other in zip(found, expected, strict=True))
            for output in expected[0]
        }
        told = ", ".join(f"{output} {error:.1e}" for output, error in errors.items())
        ratio = medians[name] / medians[REFERENCE]
        print(f"{name:<18}{medians[name]:>10.3f}{ratio:>8.2f}  {told}; {rounds[0][name].note}")


def relative_l2(found: Any, expected: Any) -> float:
    """|found - expected| / |expected|."""
    return float(np.linalg.norm(found - expected) / max(float(np.linalg.norm(expected)), 1e-30))


if __name__ == "__main__":
    main()
