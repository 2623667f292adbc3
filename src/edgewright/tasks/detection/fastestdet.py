"""FastestDet heads: one feature map of stride 16 that holds objectness, box and class scores of each cell.

Output (1, 5 + classes, rows, columns): objectness, 4 regressions o, class probabilities. With cell (column, row) = g:
centre = (g + tanh(o[0:2])) / (columns, rows), size = sigmoid(o[2:4]), both relative to the input;
score = objectness^0.6 * class^0.4. Source: FastestDet, `utils/tool.py`, `handle_preds`.
"""

# ruff: noqa: ARG002 - the arguments are those of `HeadFamily`

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgewright.data.contract import Contract
from edgewright.graph.model import Model
from edgewright.tasks.base import FAMILIES, DecodeSettings, Head
from edgewright.tasks.detection.postprocess import Candidates, corners, select
from edgewright.tasks.numerics import sigmoid
from edgewright.tasks.structure import boundaries, grids, image_contract, image_input, segments, within
from edgewright.tensors import Part

_STRIDE = 16


class FastestDet:
    """One output, a feature map."""

    name = "fastestdet"
    title = "FastestDet"
    task = "detection"
    needs = "one output (1, 5 + classes, height / 16, width / 16)"
    evaluation = DecodeSettings(
        confidence=0.05, iou=0.45, clip=False
    )  # the score's roots lift noise: 0.001 lets all pass
    running = DecodeSettings(confidence=0.5, iou=0.45)

    def recognise(self, model: Model) -> Head | None:
        """Objectness after a sigmoid, a box without, classes after an activation, joined at channels 1 and 5."""
        head = self.fit(model)
        if head is None:
            return None
        found = segments(model, 0, 1)
        is_ours = (
            {1, 5} <= boundaries(found)
            and all(s.is_probability for s in (*within(found, 0, 1), *within(found, 5)))
            and not any(s.is_probability for s in within(found, 1, 5))
        )
        return head if is_ours else None

    def fit(self, model: Model) -> Head | None:
        """One feature map of stride 16 with at least six channels."""
        image = image_input(model)
        if image is None or len(model.outputs) != 1 or len(model.outputs[0].shape) != 4:
            return None
        spec = model.outputs[0]
        channels = spec.shape[1]
        if channels is None or channels < 6 or spec.shape != (1, channels, *grids(image, (_STRIDE,))[0]):
            return None
        return Head(
            self.name,
            self.task,
            (
                Part("objectness", spec.name, 1, 0, 1, "probability"),
                Part("boxes", spec.name, 1, 1, 5, "other"),
                Part("scores", spec.name, 1, 5, None, "probability"),
            ),
            {"nc": channels - 5},
            f"{spec.name} is one map of stride {_STRIDE} with objectness, 4 box and {channels - 5} score channels",
        )

    def contract(self, head: Head, model: Model) -> Contract:
        """Plain resize, BGR, 0..1."""
        return image_contract(model, "BGR", 0.0, 255.0, resize="stretch")

    def decode(
        self, outputs: Mapping[str, NDArray[Any]], head: Head, contract: Contract, settings: DecodeSettings
    ) -> Candidates:
        """Every class of every cell whose score passes."""
        grid = np.asarray(outputs[head.parts[0].output][0], np.float32)
        rows, columns = grid.shape[1:]
        flat = grid.reshape(len(grid), -1)
        class_ids, cells, best = select(joint_scores(flat[:1], flat[5:]), settings)
        return Candidates(box_corners(flat[1:5, cells], cells, (rows, columns), contract), best, class_ids)


def joint_scores(objectness: NDArray[np.float32], classes: NDArray[np.float32]) -> NDArray[np.float32]:
    """Scores from objectness and class probability."""
    with np.errstate(invalid="ignore"):  # a negative probability from a broken network gives NaN, which passes nothing
        return np.asarray(objectness ** np.float32(0.6) * classes ** np.float32(0.4), np.float32)


def box_corners(
    chosen: NDArray[np.float32], cells: NDArray[np.int64], grid: tuple[int, int], contract: Contract
) -> NDArray[np.float32]:
    """Corners (n, 4), network pixels, from regressions (4, n) of cells (n,) in a grid of (rows, columns)."""
    rows, columns = grid
    centre_x = (cells % columns + np.tanh(chosen[0])) * (contract.width / columns)
    centre_y = (cells // columns + np.tanh(chosen[1])) * (contract.height / rows)
    size = sigmoid(chosen[2:]) * np.array([[contract.width], [contract.height]], np.float32)
    return corners(np.concatenate([centre_x[None], centre_y[None], size]).astype(np.float32))


FAMILIES.add(FastestDet.name, FastestDet())
