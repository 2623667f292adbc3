"""SuperPoint heads: a map of cell logits for points, and a coarse map of descriptors.

Outputs, in any order: (1, 65, H/8, W/8), for each cell of 8 x 8 pixels 64 logits in row-major order and a dustbin ("no
point here"), and (1, d, H/8, W/8). Source: DeTone et al., "SuperPoint", arXiv:1712.07629.
"""

# ruff: noqa: ARG002 - the arguments are those of `HeadFamily`

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgewright.data.contract import Contract
from edgewright.graph.model import Model
from edgewright.kernels.points import softmax_rows, unit_columns
from edgewright.tasks.base import FAMILIES, DecodeSettings, Head
from edgewright.tasks.keypoints.keypoints import Keypoints
from edgewright.tasks.keypoints.postprocess import radius_nms
from edgewright.tasks.structure import image_contract, image_input, segments
from edgewright.tensors import Part

CELL = 8
_BINS = CELL * CELL + 1
BORDER = 4  # pixels at the network's edge where the padding of convolutions, not the image, makes points
_SMALLEST_DESCRIPTOR = 8


class SuperPoint:
    """A point map and a descriptor map at one eighth of the size."""

    name = "superpoint"
    title = "SuperPoint"
    task = "keypoints"
    needs = "two outputs (1, 65, height / 8, width / 8) and (1, d, height / 8, width / 8), d at least 8"
    evaluation = DecodeSettings(confidence=0.015, iou=4, max_results=1000)
    running = DecodeSettings(confidence=0.015, iou=4, max_results=1000)

    def recognise(self, model: Model) -> Head | None:
        """The shapes are telling: no other family has 65 channels at an eighth of the size."""
        return self.fit(model)

    def fit(self, model: Model) -> Head | None:
        """Two maps at one eighth of the size, one of 65 channels; if both have 65, the first holds the points."""
        image = image_input(model)
        shapes = [spec.shape for spec in model.outputs]
        if image is None or len(shapes) != 2 or image.height % CELL or image.width % CELL:
            return None
        grid = (image.height // CELL, image.width // CELL)
        if any(len(shape) != 4 or shape[0] != 1 or shape[2:] != grid for shape in shapes):
            return None
        points = next((place for place, shape in enumerate(shapes) if shape[1] == _BINS), None)
        size = None if points is None else shapes[1 - points][1]
        if points is None or size is None or size < _SMALLEST_DESCRIPTOR:
            return None
        semi, desc = model.outputs[points].name, model.outputs[1 - points].name
        activated = all(s.is_probability for s in segments(model, points, 1))
        return Head(
            self.name,
            self.task,
            (
                Part("keypoint scores", semi, 1, 0, None, "probability" if activated else "logits"),
                Part("descriptors", desc, 1, 0, None, "features"),
            ),
            {"softmax": activated, "descriptor_size": size},
            f"at 1/{CELL} of the size, {semi} has {_BINS} channels (64 pixels of a cell, dustbin) and {desc} {size}",
        )

    def contract(self, head: Head, model: Model) -> Contract:
        """Plain resize, gray, 0..1."""
        return image_contract(model, "RGB", 0.0, 255.0, resize="stretch")

    def decode(
        self, outputs: Mapping[str, NDArray[Any]], head: Head, contract: Contract, settings: DecodeSettings
    ) -> Keypoints:
        """Points after threshold, suppression within `settings.iou` pixels and removal of the border, best first."""
        semi = np.asarray(outputs[head.parts[0].output][0], np.float32)
        flat = semi.reshape(len(semi), -1)
        cells = (flat if head.params["softmax"] else softmax_rows(flat)).reshape(semi.shape)
        heat = _heat_map(cells)
        with np.errstate(invalid="ignore"):
            heat[~(heat >= smallest_score(settings))] = 0
        xy, scores = best_points(heat, settings)
        descriptors = sample_descriptors(outputs[head.parts[1].output][0], xy)
        return Keypoints(xy, scores, descriptors)


def smallest_score(settings: DecodeSettings) -> np.float32:
    """The score from which a pixel is a point: 0 is none, whatever the threshold."""
    least: np.float32 = np.float32(max(settings.confidence, float(np.finfo(np.float32).tiny)))
    return least


def best_points(heat: NDArray[np.float32], settings: DecodeSettings) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Positions (n, 2) and scores of the points of a map (h, w), best first: entries above 0 that keep apart."""
    kept = radius_nms(heat, round(settings.iou))
    kept[:BORDER] = kept[-BORDER:] = kept[:, :BORDER] = kept[:, -BORDER:] = False
    rows, columns = np.nonzero(kept)
    order = np.argsort(-heat[rows, columns], kind="stable")[: settings.max_results]
    xy = np.stack([columns[order], rows[order]], axis=1).astype(np.float32)
    return xy, heat[rows[order], columns[order]]


def _heat_map(cells: NDArray[np.float32]) -> NDArray[np.float32]:
    """Cell probabilities (65, h, w) to a new map (8 h, 8 w): the dustbin drops out, the rest are pixels."""
    _, rows, columns = cells.shape
    pixels = cells[:-1].reshape(CELL, CELL, rows, columns).transpose(2, 0, 3, 1)
    return np.array(pixels.reshape(rows * CELL, columns * CELL), np.float32)


def sample_descriptors(coarse: NDArray[Any], xy: NDArray[np.float32]) -> NDArray[np.float32]:
    """Descriptors at points, bilinear, of length 1; see `neighbours` for the convention.

    Args:
        coarse: (d, h, w).
        xy: (n, 2), pixels.

    Returns:
        (n, d) float32. A descriptor that is zero or not finite becomes zero: it matches nothing well.
    """
    flat = coarse.reshape(len(coarse), -1)
    corners, parts = neighbours(xy, coarse.shape[1], coarse.shape[2])
    return mixed([np.asarray(flat[:, cells], np.float32) for cells in corners], parts)


def neighbours(xy: NDArray[np.float32], rows: int, columns: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """The four cells around points, (4, n): row * columns + column, and the share of the right and lower ones, (2, n).

    Half-cell convention: entry (i, j) of the coarse map stands for the centre of its cell of 8 pixels, so a pixel whose
    centre is x lies at (x + 0.5) / 8 - 0.5 of the map; beyond the outer centres the edge is repeated. (The published
    code stretches the map from edge to edge instead, which shifts descriptors by up to half a cell at the border.)
    """
    limit = np.array([columns - 1, rows - 1], np.float32)
    place = np.clip((xy + np.float32(0.5)) / CELL - np.float32(0.5), 0, limit)
    low = np.minimum(place.astype(np.int64), np.maximum(limit - 1, 0).astype(np.int64))
    (x, y), parts = low.T, np.ascontiguousarray((place - low).astype(np.float32).T)
    next_x, next_y = np.minimum(x + 1, columns - 1), np.minimum(y + 1, rows - 1)
    pairs = ((y, x), (y, next_x), (next_y, x), (next_y, next_x))
    return np.stack([row * columns + column for row, column in pairs]), parts


def mixed(corners: Sequence[NDArray[np.float32]], parts: NDArray[np.float32]) -> NDArray[np.float32]:
    """Bilinear mixtures of the values (d, n) at four cells, of length 1: (n, d)."""
    right, down = parts
    with np.errstate(invalid="ignore", over="ignore"):
        left, up = 1 - right, 1 - down
        upper = corners[0] * (left * up) + corners[1] * (right * up)
        lower = corners[2] * (left * down) + corners[3] * (right * down)
        found = np.asarray(upper + lower, np.float32)
    return unit_columns(found)


FAMILIES.add(SuperPoint.name, SuperPoint())
