"""What the proof of an export says, as findings."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgewright.data.contract import Contract
from edgewright.findings import Finding, Severity, listed
from edgewright.graph.origin import Origin
from edgewright.verify.results import PartError

CONVERSION = "EW123"
"""Code of the finding that ONNX computes, or does not compute, what the framework computes."""
EXPLAINED = 1e-4
"""Relative L2 up to which float arithmetic in another order explains a difference."""
_AS_FAR = 2.0
"""Times the framework's own spread that a third runtime, with roundings of its own, may be away."""
_CONTRACT_EXPLAINED = 1e-5
"""Of the largest value: what a mean and a standard deviation rounded to float32 explain."""
_CHOOSING = ("top_k", "topk", "argsort", "argmax", "arg_max", "arg_min", "unique", "where_index", "nonzero")
_DECIDING = (*_CHOOSING, "round", "floor")
"""Ops, or beginnings of their names, whose answer jumps where two values are nearly equal."""


def conversion_note(
    name: str,
    origin: Origin,
    errors: Sequence[PartError],
    images: int,
    tolerance: float,
    ops: Mapping[str, int],
    own: float = 0.0,
    onnx_own: float = 0.0,
) -> Finding:
    """EW123: how far ONNX Runtime is from the framework.

    Args:
        tolerance: relative L2 that the target's float arithmetic explains.
        ops: of the framework's program, to say what to look at.
        own: largest relative L2 between two ways of running the framework: a conversion is not to blame for less.
        onnx_own: the same of ONNX Runtime, with and without its optimisation.
    """
    worst = max(errors, key=_size)
    told = f"{origin.framework.title()} {origin.version}"
    figure = f"largest relative L2 {_figure(worst)} ({worst.part})"
    evidence = {"parts": {error.part: error.relative_l2 for error in errors}, "images": images, "version": told}
    if _size(worst) <= EXPLAINED:
        said = f"ONNX Runtime computes what {told} computes, on {images} images: {figure}."
        return Finding(CONVERSION, Severity.INFO, name, said, evidence, "Nothing to do.")
    deciding = [op for op in ops if op.startswith(_DECIDING)]
    why = (
        f"Its {listed(deciding)} turns rounding into another order or choice where values are nearly equal"
        if deciding
        else "No op of it sorts or rounds, so an op was converted to another function, or loses digits"
    )
    spread = max(own, onnx_own)
    shaky = spread > EXPLAINED and _size(worst) <= _AS_FAR * spread
    if shaky:
        who = f"{told} differs from itself by {own:.2g} (EW124)"
        if onnx_own > own:
            who = f"ONNX Runtime differs from itself by {onnx_own:.2g} when it does not optimise"
        why += f". {who}: this speaks against the model, not the conversion"
    wrong = _size(worst) > tolerance and not shaky
    said = f"ONNX Runtime computes something else than {told}, on {images} images: {figure}. {why}."
    remedy = (
        "Look at accuracy on labelled images: a trained network has few near ties. Else cut the model before that op."
        if deciding
        else "Convert with another version (--paddle VERSION), or export the model again."
    )
    return Finding(CONVERSION, Severity.ERROR if wrong else Severity.WARNING, name, said, evidence, remedy)


def stability_notes(
    origin: Origin,
    reference: str,
    repeated: Mapping[str, float],
    apart: Mapping[str, Sequence[PartError]],
    onnx: Mapping[str, Sequence[PartError]],
) -> list[Finding]:
    """EW124: where the framework disagrees with itself.

    Args:
        reference: the way of running it that the others are compared with.
        repeated: outputs that differed between two runs of it, with the largest difference (-1: in shape or in NaN).
        apart: errors of each way against the reference.
        onnx: errors of ONNX Runtime against each way.
    """
    told = f"{origin.framework.title()} {origin.version}"
    found = []
    if repeated:
        gaps = {name: "in shape or NaN" if gap < 0 else f"by {gap:.2g}" for name, gap in repeated.items()}
        shown = ", ".join(f"{name} {gap}" for name, gap in gaps.items())
        found.append(
            Finding(
                "EW124",
                Severity.WARNING,
                told,
                f"Two runs of {told} with {reference} on the same image differ: {shown}.",
                {"outputs": dict(repeated)},
                "Look for random ops in the model; figures of any target move by as much.",
            )
        )
    for way, errors in apart.items():
        worst = max(errors, key=_size)
        if way == reference or _size(worst) <= EXPLAINED:
            continue
        sizes = {one: max(map(_size, onnx[one])) for one in (reference, way)}
        agrees = [one for one, size in sizes.items() if size <= EXPLAINED]
        verdict = f"{agrees[0]} agrees with ONNX Runtime" if len(agrees) == 1 else "neither agrees with ONNX Runtime"
        found.append(
            Finding(
                "EW124",
                Severity.WARNING,
                told,
                f"{told} gives different answers with {way} and with {reference}: relative L2 {_figure(worst)} "
                f"({worst.part}); {verdict}.",
                {"parts": {error.part: error.relative_l2 for error in errors}, "against_onnx": _finite(sizes)},
                f"Run the export with {agrees[0]}." if agrees else "Try another version of the framework.",
            )
        )
    return found


def failure_note(origin: Origin, way: str, why: str, ran: str) -> Finding:
    """EW126: a way in which the framework fails on its own export."""
    told = f"{origin.framework.title()} {origin.version}"
    return Finding(
        "EW126",
        Severity.WARNING,
        told,
        f"{told} fails on this export with {way}: {why.rstrip('.')}. With {ran} it runs.",
        {"way": way, "why": why},
        f"Run the export with {ran}, or with another version of the framework.",
    )


def preprocessing_note(
    mine: Sequence[NDArray[Any]], theirs: Sequence[NDArray[Any]], names: Sequence[str], contract: Contract
) -> Finding:
    """EW125: tensors of the contract against those of the framework's own steps."""
    gaps = [_gap(one, other) for one, other in zip(mine, theirs, strict=True)]
    worst = max(range(len(gaps)), key=lambda index: gaps[index])
    padded = sum(one.shape != other.shape for one, other in zip(mine, theirs, strict=True))
    evidence = {"largest": None if math.isinf(gaps[worst]) else gaps[worst], "images": len(gaps), "padded": padded}
    further = f" {padded} of them are padded further, to the network's fixed size." if padded else ""
    if gaps[worst] <= _CONTRACT_EXPLAINED:
        said = (
            f"On {len(gaps)} images the preprocessing contract gives what PaddleDetection's own steps give: largest "
            f"difference {gaps[worst]:.1g} of the largest value.{further}"
        )
        severity = Severity.WARNING if padded else Severity.INFO
        remedy = "Export with keep_ratio: False for networks of a fixed size." if padded else "Nothing to do."
        return Finding("EW125", severity, contract.input, said, evidence, remedy)
    shapes = f"{list(mine[worst].shape)} and {list(theirs[worst].shape)}"
    figure = f"shapes {shapes}" if math.isinf(gaps[worst]) else f"{gaps[worst]:.2g} of the largest value"
    return Finding(
        "EW125",
        Severity.WARNING,
        contract.input,
        f"The preprocessing contract gives something else than PaddleDetection's own steps, on {names[worst]} by "
        f"{figure}.{further}",
        evidence,
        "If --resize, --mean, --std or --colour were given, leave them out; otherwise report this.",
    )


def _gap(mine: NDArray[Any], theirs: NDArray[Any]) -> float:
    """Largest difference as a share of the largest value; what we pad beyond theirs must be 0."""
    if mine.shape[:2] != theirs.shape[:2] or any(a < b for a, b in zip(mine.shape, theirs.shape, strict=True)):
        return math.inf
    whole = np.zeros(mine.shape, np.float64)
    whole[..., : theirs.shape[2], : theirs.shape[3]] = theirs
    span = float(np.abs(theirs).max()) or 1.0
    return float(np.abs(mine.astype(np.float64) - whole).max()) / span


def largest(errors: Sequence[PartError]) -> float:
    """The largest relative L2 of all parts; infinite where one is beyond measure."""
    return max(map(_size, errors))


def _size(error: PartError) -> float:
    return math.inf if error.relative_l2 is None else error.relative_l2


def _figure(error: PartError) -> str:
    return "beyond measure" if error.relative_l2 is None else f"{error.relative_l2:.2g}"


def _finite(sizes: Mapping[str, float]) -> dict[str, float | None]:
    return {name: None if math.isinf(size) else size for name, size in sizes.items()}
