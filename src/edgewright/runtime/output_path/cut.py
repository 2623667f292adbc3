"""A decode tail that was cut off, taken over from its restoration.

Where a network ends at its raw heads, a restoration computes the whole tail in ONNX Runtime, for every cell of every
map. If these raw heads are those of a family that decodes survivors only, it does so instead. Nothing in the bundle
says that the two compute the same, so it is tried: on the golden samples' outputs, and on these shifted over their
maps, which is another scene. Both are float arithmetic in another order: what agrees is told, and how far.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from edgewright.data.contract import Contract
from edgewright.graph.model import Model
from edgewright.runtime.output_path.base import FAST, FastDecode
from edgewright.runtime.output_path.restored import Reader
from edgewright.targets.artifact import Artifact
from edgewright.tasks.base import FAMILIES, DecodeSettings, Head, HeadFamily
from edgewright.tasks.detection.detections import Detections
from edgewright.tasks.detection.postprocess import suppress

Arrays = Mapping[str, NDArray[Any]]

SHIFTS = ((0, 0), (1, 2), (3, 1), (5, 4))
"""Rows and columns by which maps are shifted, in cells of each map."""
_CONFIDENCE = 0.05
_SCORE, _BOX = 1e-4, 1e-3
"""Largest difference of a score, and of a corner relative to the network's width, that the order of sums explains."""


@dataclass
class TakenOver:
    """See `FastDecode`: a tail that is decoded by a family instead.

    Attributes:
        decode: the family's fast way for the raw heads.
        how: what was proven, in words.
    """

    decode: FastDecode
    how: str

    def __call__(self, outputs: Arrays, settings: DecodeSettings) -> Any:
        """Candidates, from the raw heads."""
        return self.decode(outputs, settings)


def take_over(
    artifact: Artifact,
    head: Head,
    contract: Contract,
    settings: DecodeSettings,
    restored: Callable[[Arrays, DecodeSettings], Any],
    samples: Iterable[Arrays],
) -> FastDecode | str:
    """A family's way for the artifact's raw heads, proven against the restoration; or why there is none.

    Args:
        artifact: what gives the raw heads.
        head: what the restored outputs mean.
        contract: size of the network input.
        settings: overlap and number of boxes.
        restored: the plain decode through the restoration: `Candidates` of outputs at the artifact's boundary.
        samples: recorded outputs of the artifact.
    """
    found = _fast(artifact, head, contract)
    if found is None:
        return "its raw heads are of no known family"
    name, fast = found
    low = DecodeSettings(_CONFIDENCE, settings.iou, settings.max_results, settings.max_candidates, settings.clip)
    compared, furthest = 0, 0.0
    for outputs in _scenes(samples):
        ours = fast(outputs, low)
        if ours is None:
            return f"{name} cannot decode its raw heads"
        there = suppress(restored(outputs, low), low)
        apart = _apart(suppress(ours, low), there, contract.width)
        if apart is None:
            return f"decoded as {name}, its raw heads give other detections than the restoration"
        compared, furthest = compared + len(there), max(furthest, apart)
    if not compared:
        return f"no golden sample shows an object, so {name} could not be compared with the restoration"
    told = f"the decode tail as {name}: {compared} detections of golden outputs, as they are and shifted, are those of "
    return TakenOver(fast, f"{told}the restoration (corners within {furthest:.2g} px); {fast.how}")


def _fast(artifact: Artifact, head: Head, contract: Contract) -> tuple[str, FastDecode] | None:
    import edgewright.runtime.output_path.families  # noqa: F401 - enters them into their registry

    model = _ends_of(artifact, contract)
    for name in FAST.names():
        family: HeadFamily | None = FAMILIES.get(name) if name in FAMILIES and name != head.family else None
        raw = family.fit(model) if family is not None and family.task == head.task else None
        if raw is None or raw.params.get("nc") != head.params.get("nc"):
            continue
        made = FAST.get(name)(raw, contract, Reader(artifact.outputs, None))
        if not isinstance(made, str):
            return name, made
    return None


def _ends_of(artifact: Artifact, contract: Contract) -> Model:
    """A graph that has the artifact's input and outputs, each made by a Conv, as cut tails begin behind these."""
    image = ir.Value(name=contract.input, shape=ir.Shape(contract.shape), type=ir.TensorType(ir.DataType.FLOAT))
    nodes = [
        ir.node(
            "Conv",
            [image],
            outputs=[
                ir.Value(name=port.spec.name, shape=ir.Shape(port.spec.shape), type=ir.TensorType(ir.DataType.FLOAT))
            ],
            name=f"end_{number}",
        )
        for number, port in enumerate(artifact.outputs)
    ]
    graph = ir.Graph([image], [node.outputs[0] for node in nodes], nodes=nodes, opset_imports={"": 17}, name="ends")
    return Model(ir.Model(graph, ir_version=8))


def _scenes(samples: Iterable[Arrays]) -> Iterator[Arrays]:
    for outputs in samples:
        for rows, columns in SHIFTS:
            yield {
                name: np.ascontiguousarray(np.roll(values, (rows, columns), (2, 3))) if values.ndim == 4 else values
                for name, values in outputs.items()
            }


def _apart(ours: Detections, theirs: Detections, width: int) -> float | None:
    """Largest distance of corners in pixels, if each detection has its like; None if one has none."""
    if len(ours) != len(theirs):
        return None
    left = list(range(len(theirs)))
    furthest = 0.0
    for box, score, class_id in zip(ours.xyxy, ours.scores, ours.class_ids, strict=True):
        alike = _nearest(box, float(score), int(class_id), theirs, left)
        if alike is None:
            return None
        furthest = max(furthest, float(np.abs(theirs.xyxy[alike] - box).max()))
        left.remove(alike)
    return furthest if furthest <= _BOX * width else None


def _nearest(
    box: NDArray[np.float32], score: float, class_id: int, others: Detections, left: Sequence[int]
) -> int | None:
    same = [at for at in left if others.class_ids[at] == class_id and abs(float(others.scores[at]) - score) <= _SCORE]
    return min(same, key=lambda at: float(np.abs(others.xyxy[at] - box).max()), default=None)
