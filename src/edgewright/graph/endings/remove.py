"""All that an exporter put behind a network for its users, taken off, proven, and told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgewright.findings import Finding, Severity
from edgewright.graph.endings.proof import largest_gap
from edgewright.graph.endings.scale import fold_scale
from edgewright.graph.endings.selection import Cut, cut_selection, holds_selection
from edgewright.graph.model import Model

LIMIT = 1e-3
"""Largest difference of a row, by the size of the image, that float arithmetic in another order explains."""
_TRIALS, _HIGHEST_SIDE = 3, 4096
_CHOICE = {"nms": "non-maximum suppression", "topk": "the choice of the best queries"}


@dataclass(frozen=True)
class Ended:
    """The model without its ending, and what was done."""

    model: Model
    findings: tuple[Finding, ...]


def has_ending(model: Model) -> bool:
    """Whether `remove_ending` has something to do or to say; asked of the graph alone, without running it."""
    return fold_scale(model) is not None or cut_selection(model) is not None or holds_selection(model)


def remove_ending(model: Model) -> Ended | None:
    """Fold the inputs that undo the image's scale, and cut before the selection; None where there is nothing to do.

    A cut that does not hold what the model chose from is not made: then the model stays whole, and the finding says so.
    """
    findings: list[Finding] = []
    folded = fold_scale(model)
    if folded is not None:
        findings.append(_folded(model, {name: value.ravel().tolist() for name, value in folded.constants.items()}))
    whole = model if folded is None else folded.model
    cut = cut_selection(whole)
    gap = None if cut is None else _gap(whole, cut)
    if cut is not None and (gap is None or gap <= LIMIT):
        return Ended(cut.model, (*findings, _cut(whole, cut, gap)))
    if holds_selection(whole):
        findings.append(_kept(whole, gap))
    return Ended(whole, tuple(findings)) if findings else None


def _gap(whole: Model, cut: Cut) -> float | None:
    """The largest gap on random inputs; None where none of them gives a row, or the input's size is open."""
    images = [spec for spec in whole.inputs if len(spec.shape) == 4]
    sizes = [(spec.shape[0] or 1, *spec.shape[1:]) for spec in images]
    if len(whole.inputs) != 1 or not images or any(size is None or size > _HIGHEST_SIDE for size in sizes[0]):
        return None
    random = np.random.default_rng(0)
    shape = tuple(size or 1 for size in sizes[0])
    return largest_gap(whole, cut, ({images[0].name: _noise(random, shape, images[0].dtype)} for _ in range(_TRIALS)))


def _noise(random: np.random.Generator, shape: tuple[int, ...], dtype: str) -> NDArray[Any]:
    values = random.normal(0, 1, shape)
    return (values * 64 + 128).clip(0, 255).astype(dtype) if dtype == "uint8" else values.astype(dtype)


def _folded(model: Model, constants: dict[str, list[float]]) -> Finding:
    listed = ", ".join(f"{name} = {value}" for name, value in constants.items())
    return Finding(
        "EW131",
        Severity.INFO,
        model.name,
        f"Inputs that undo the image's scale are constants now ({listed}): boxes are in pixels of the network's input.",
        {"constants": constants},
    )


def _cut(model: Model, cut: Cut, gap: float | None) -> Finding:
    proof = (
        "no random input gave rows of class, score and corners, so the cut was not proven on numbers"
        if gap is None
        else f"every detection of {_TRIALS} random inputs is found in them, largest difference {gap:.2g}"
    )
    return Finding(
        "EW130",
        Severity.INFO,
        model.name,
        f"The model was cut before {_CHOICE[cut.by]}: it ends at {cut.boxes} and {cut.scores}; {proof}.",
        {"by": cut.by, "boxes": cut.boxes, "scores": cut.scores, "dropped": list(cut.dropped), "gap": gap},
        "The host chooses detections, with the thresholds of the head family.",
    )


def _kept(model: Model, gap: float | None) -> Finding:
    why = "the graph does not show what it chooses from" if gap is None else f"a cut gave other detections ({gap:.2g})"
    return Finding(
        "EW132",
        Severity.WARNING,
        model.name,
        f"The model suppresses boxes by itself, and cannot be cut before it: {why}.",
        {"gap": gap},
        "Export it without NMS (PaddleDetection: -o export.nms=False, or exclude_nms=True for PP-YOLOE).",
    )
