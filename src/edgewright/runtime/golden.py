"""Recording golden samples, and proving with them that an artifact still computes what it computed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgewright.bundle.golden import Golden
from edgewright.bundle.open import Bundle
from edgewright.data.contract import Contract, preprocess
from edgewright.data.images import image_from_bytes, read_image
from edgewright.errors import BundleError, TargetMismatch
from edgewright.graph.rewrites.restoration import Restorer
from edgewright.runtime.boundary import feeds_for, from_port, real_outputs
from edgewright.targets.artifact import Artifact
from edgewright.targets.backend import Backend, Session

TOLERANCE = 0.01
INPUT_TOLERANCE = (
    0.02  # JPEG decoders and resizers may differ by a grey level here and there; a wrong contract is far off
)


@dataclass(frozen=True)
class GoldenResult:
    """How far a part of a golden sample is from what was recorded.

    Attributes:
        sample: number of the sample, from 0.
        part: name of the part, or of the whole output where no part covers it; "input" for the way of the image in.
        relative_l2: |x - recorded| / |recorded|; infinite where something is not finite now and was then.
        tolerance: the limit.
    """

    sample: int
    part: str
    relative_l2: float
    tolerance: float

    @property
    def passed(self) -> bool:
        """Whether it is within the limit."""
        return self.relative_l2 <= self.tolerance


def record_golden(
    session: Session, artifact: Artifact, contract: Contract, images: Iterable[Path], tolerance: float = TOLERANCE
) -> list[Golden]:
    """Run images through a verified session and keep what went in and what came out.

    Raises:
        DataError: an image cannot be read.
        ToolchainError: the runtime failed.
    """
    samples = []
    for path in images:
        feeds = feeds_for(artifact, contract, preprocess(read_image(path), contract)[0])
        outputs = session(feeds)
        real_outputs(artifact, outputs)  # a missing output is better found now than by the person who gets the bundle
        kept = {port.spec.name: np.asarray(outputs[port.spec.name]) for port in artifact.outputs}
        samples.append(Golden(feeds, kept, tolerance, Path(path).read_bytes()))
    return samples


def check_golden(
    bundle: Bundle, session: Session, backend: Backend, restorer: Restorer | None = None
) -> tuple[GoldenResult, ...]:
    """Run the golden samples of a bundle and compare by part with what was recorded.

    Args:
        bundle: with samples at the artifact's own boundary.
        session: the bundle's artifact on this host.
        backend: what opened it, for the message about what changed.
        restorer: of the bundle's restoration; None opens it here.

    Returns:
        The figures of every part of every sample.

    Raises:
        BundleError: the artifact computes something else than when it was packed.
        TargetMismatch: so it does, and host or runtime are not those of then.
    """
    restorer = restorer or Restorer(bundle.restore())
    results: list[GoldenResult] = []
    for number, sample in enumerate(bundle.golden()):
        results += _check_input(bundle, number, sample)
        now = session(sample.inputs)
        results += _compare(bundle, number, sample, now, restorer)
    worst = max(results, key=lambda result: result.relative_l2 / result.tolerance)
    if not worst.passed:
        _refuse(bundle, backend, worst, sum(not result.passed for result in results), len(results))
    return tuple(results)


def relative_l2(values: NDArray[Any], reference: NDArray[Any]) -> float:
    """|values - reference| / |reference|; 0 when both are equal everywhere, NaN and infinities included."""
    if values.shape != reference.shape:
        return float("inf")
    if np.array_equal(values, reference, equal_nan=values.dtype.kind == "f"):
        return 0.0
    x, ref = values.astype(np.float64), reference.astype(np.float64)
    differs = ~((x == ref) | (np.isnan(x) & np.isnan(ref)))
    norm = float(np.linalg.norm(ref[np.isfinite(ref)]))
    with np.errstate(invalid="ignore", over="ignore"):  # infinity minus infinity; the result is not finite and tells
        error = float(np.linalg.norm((x - ref)[differs]))
    return error / norm if norm > 0 and np.isfinite(error) else float("inf")


def _check_input(bundle: Bundle, number: int, sample: Golden) -> list[GoldenResult]:
    """Decoding and preprocessing are a part of what was proven, and depend on this host's OpenCV."""
    if sample.image is None:
        return []
    contract = bundle.manifest.contract
    where = bundle.folder / (bundle.manifest.golden[number].image or "")
    feeds = feeds_for(bundle.artifact, contract, preprocess(image_from_bytes(sample.image, where), contract)[0])
    port = next(port for port in bundle.artifact.inputs if port.spec.name == contract.input)
    now, then = (from_port(values[contract.input], port) for values in (feeds, sample.inputs))
    return [GoldenResult(number, "input", relative_l2(now, then), INPUT_TOLERANCE)]


def _compare(
    bundle: Bundle, number: int, sample: Golden, outputs: Mapping[str, NDArray[Any]], restorer: Restorer
) -> Iterable[GoldenResult]:
    now, then = (restorer(real_outputs(bundle.artifact, found)) for found in (outputs, sample.outputs))
    parts = bundle.manifest.to_head().parts
    for part in parts:
        same = now[part.output].shape == then[part.output].shape
        error = relative_l2(part.take(now), part.take(then)) if same else float("inf")
        yield GoldenResult(number, part.name, error, sample.tolerance)
    for name in set(then) - {part.output for part in parts}:  # nothing goes unchecked
        yield GoldenResult(number, name, relative_l2(now[name], then[name]), sample.tolerance)


def _refuse(bundle: Bundle, backend: Backend, worst: GoldenResult, failed: int, total: int) -> None:
    then = {**bundle.manifest.host, **bundle.artifact.toolchain}
    now = {**backend.host(), **backend.toolchain()}
    changes = [f"{key} {then[key]} then, {now[key]} now" for key in then if key in now and then[key] != now[key]]
    figure = (
        f"golden sample {worst.sample}, part {worst.part!r}: relative L2 {worst.relative_l2:.3g}, "
        f"limit {worst.tolerance:.3g}; {failed} of {total} comparisons fail"
    )
    kind = TargetMismatch if changes else BundleError
    raise kind(
        "this bundle computes something else here than when it was packed",
        where=str(bundle.folder),
        why=figure + (f"; what changed: {'; '.join(changes)}" if changes else "; host and runtime are those of then"),
        todo="deploy the model again on this host, which measures what it does here",
    )
