# Runs on a Paddle environment's Python 3.11.
"""Where a program takes the best of all its queries, as RT-DETR does: found by structure, proven on numbers.

The same as `edgewright.graph.endings` does with ONNX, which is not at hand here.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from programs import Ending, Made  # type: ignore[import-not-found]

Array = NDArray[Any]

LIMIT = 1e-3
"""Largest difference of a row, by the size of the image, that float arithmetic in another order explains."""
_FORMS = "reshape reshape2 flatten flatten2 flatten_contiguous_range squeeze squeeze2 unsqueeze unsqueeze2"
_AROUND = frozenset(("assign", "cast", "scale", *_FORMS.split()))
_MOVES = frozenset(("slice", "strided_slice", "split", "split_with_num", "builtin.split", "tile", *_AROUND))
_ARITHMETIC = frozenset(
    ("add", "subtract", "multiply", "elementwise_add", "elementwise_sub", "elementwise_mul", "concat", "stack")
)
_CHOICES = frozenset(("topk", "top_k", "top_k_v2"))
_GATHERS = frozenset(("gather", "gather_nd", "take_along_axis"))
_MOST_STEPS = 1000
_SCALE, _SIZE = "scale_factor", "im_shape"


def best_of_queries(program: Any) -> Ending | None:
    """What rows (class, score, box) are chosen from: boxes and scores that come from a sigmoid each."""
    for output in program.outputs_in_order():
        joined = program.made(_through(program, output))
        if joined is None or joined.kind != "concat" or len(joined.given) != 3:
            continue
        chosen, gathered = (program.made(_through(program, value)) for value in joined.given[1:])
        if not (_is(chosen, _CHOICES) and _is(gathered, _GATHERS)):
            continue
        scores, boxes = _through(program, chosen.given[0]), _one_sigmoid(program, gathered.given[0])
        if boxes is not None and _is(program.made(scores), {"sigmoid"}):
            return Ending("topk", boxes, scores, [chosen.op, gathered.op])
    return None


def largest_gap(whole: Any, cut: Any, size: list[int | None]) -> float | None:
    """How far rows that the whole gives for noise are from the nearest box with the same class that the cut gives.

    Args:
        whole, cut: programs; the first two outputs of the cut are boxes (1, queries, 4), centre and size relative to
            the input, and scores (1, queries, classes).
        size: height and width where the program leaves them open.

    Returns:
        The larger of the difference of scores and that of corners, by the largest corner; None where the inputs are
        others than an image, its scale and its size, or no output has such rows.
    """
    feeds = _noise(whole.inputs(), size)
    if feeds is None:
        return None
    rows = next((values for values in whole.run(feeds) if values.ndim == 2 and values.shape[1] == 6), None)
    if rows is None or not len(rows):
        return None
    known = {entry["name"] for entry in cut.inputs()}
    boxes, scores = (values[0] for values in cut.run({name: feeds[name] for name in known})[:2])
    image = next(values for values in feeds.values() if values.ndim == 4)
    return rows_gap(rows, boxes, scores, _edges(image.shape))


def rows_gap(rows: Array, boxes: Array, scores: Array, size: tuple[int, int]) -> float:
    """`largest_gap` of arrays: (rows, 6), (queries, 4), (queries, classes); `size` is height and width."""
    classes = np.rint(rows[:, 0])
    if not np.isfinite(rows).all() or (classes < 0).any() or (classes >= scores.shape[1]).any():
        return float("inf")
    corners = np.concatenate([boxes[:, :2] - boxes[:, 2:] / 2, boxes[:, :2] + boxes[:, 2:] / 2], axis=1)
    corners = corners.astype(np.float64) * np.array([size[1], size[0]] * 2)
    apart = np.abs(corners[:, None] - rows[None, :, 2:]).max(axis=2) / max(float(np.abs(corners).max()), 1e-12)
    gap = float(np.maximum(apart, np.abs(scores[:, classes.astype(int)] - rows[:, 1])).min(axis=0).max())
    return gap if np.isfinite(gap) else float("inf")


def _noise(inputs: list[dict[str, Any]], size: list[int | None]) -> dict[str, Array] | None:
    images = [entry for entry in inputs if len(entry["shape"]) == 4]
    if len(images) != 1:
        return None
    shape = [1, *images[0]["shape"][1:]]
    first = 1 if shape[3] in (1, 3) and shape[1] not in (1, 3) else 2
    for place, edge in zip((first, first + 1), size, strict=True):
        shape[place] = shape[place] or edge
    if None in shape:
        return None
    random = np.random.default_rng(0)
    known = {_SCALE: np.ones((1, 2)), _SIZE: np.array([_edges(shape)]), images[0]["name"]: random.normal(0, 1, shape)}
    if any(entry["name"] not in known for entry in inputs):
        return None
    return {entry["name"]: known[entry["name"]].astype(entry["dtype"]) for entry in inputs}


def _edges(shape: Any) -> tuple[int, int]:
    first = 1 if shape[3] in (1, 3) and shape[1] not in (1, 3) else 2
    return shape[first], shape[first + 1]


def _is(made: Made | None, kinds: Any) -> bool:
    return made is not None and bool(made.given) and made.kind in kinds


def _through(program: Any, value: Any) -> Any:
    for _ in range(_MOST_STEPS):  # an op may write what it reads
        made = program.made(value)
        if not _is(made, _AROUND):
            break
        value = made.given[0]
    return value


def _one_sigmoid(program: Any, value: Any) -> Any:
    """The one sigmoid that boxes come from, by arithmetic that makes corners of centre and size; None of several."""
    found: list[tuple[Any, Any]] = []
    stack, seen = [value], 0
    while stack and seen < _MOST_STEPS:
        entry, seen = stack.pop(), seen + 1
        made = program.made(entry)
        if _is(made, {"sigmoid"}):
            if not any(made.op is other or made.op == other for other, _ in found):
                found.append((made.op, entry))
        elif _is(made, _MOVES):
            stack.append(made.given[0])
        elif _is(made, _ARITHMETIC):
            stack += made.given
    return found[0][1] if len(found) == 1 and not stack else None
