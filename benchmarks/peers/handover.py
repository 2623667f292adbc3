"""What two tools that are compared have in common: the graph, the inputs, the decoding and the metric.

A benchmark writes a folder once, before anything is measured; each side reads it. So neither side pays for
preprocessing, both see the same numbers, and AP is computed by the same lines of code.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgewright.data.contract import Contract, Placement, preprocess
from edgewright.data.images import read_image
from edgewright.data.labels import ImageLabels, Labels, load_labels
from edgewright.tasks import recognise  # noqa: F401 - the import registers the head families
from edgewright.tasks.base import FAMILIES, Head
from edgewright.tasks.detection.detections import Detections
from edgewright.tasks.detection.metrics import coco_ap
from edgewright.tasks.detection.postprocess import decode_image

_FILE = "handover.json"
_SETS = ("calibration", "evaluation")


@dataclass(frozen=True)
class Handover:
    """A detector with its inputs and labels.

    Attributes:
        model: the prepared float model, from which both sides start.
        head, contract: what its outputs mean and what its input wants.
        calibration, evaluation: inputs, (images, *contract.shape), mapped from their files.
        names: file names of the evaluation images.
        placements: where each evaluation image lies in its input.
        labels: ground truth of the evaluation images.
    """

    model: Path
    head: Head
    contract: Contract
    calibration: NDArray[Any]
    evaluation: NDArray[Any]
    names: tuple[str, ...]
    placements: tuple[Placement, ...]
    labels: Labels

    def feeds(self, which: str, index: int) -> dict[str, NDArray[Any]]:
        """Network input of one image of "calibration" or "evaluation"."""
        return {self.contract.input: np.array(getattr(self, which)[index])}

    def detections(self, outputs: Mapping[str, NDArray[Any]], index: int) -> Detections:
        """Detections of one evaluation image at the thresholds of evaluation."""
        family = FAMILIES.get(self.head.family)
        placement = self.placements[index]
        return decode_image(family, outputs, self.head, self.contract, family.evaluation, placement)

    def ap(self, found: Mapping[int, Detections]) -> float:
        """AP in points of these evaluation images; 0 where none of them has a labelled object."""
        names = {self.names[index]: detections for index, detections in found.items()}
        if not any(self._objects(name) for name in names):
            return 0.0
        return float(coco_ap(names, self.labels, int(self.head.params["nc"])).value)

    def _objects(self, name: str) -> int:
        entry: ImageLabels | None = self.labels.images.get(name)
        return 0 if entry is None else int((~entry.crowd).sum())


def write_handover(
    folder: Path,
    model: Path,
    head: Head,
    contract: Contract,
    calibration: Sequence[Path],
    evaluation: Sequence[Path],
    labels: Path,
) -> None:
    """Preprocess the images and write all that `read_handover` wants into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    placements = [
        _write_inputs(folder / f"{name}.npy", paths, contract)
        for name, paths in zip(_SETS, (calibration, evaluation), strict=True)
    ][1]
    data = {
        "model": str(model.resolve()),
        "head": head.to_json(),
        "contract": contract.model_dump(mode="json"),
        "images": [str(path.resolve()) for path in evaluation],
        "placements": [placement.__dict__ for placement in placements],
        "labels": str(labels.resolve()),
    }
    (folder / _FILE).write_text(json.dumps(data, indent=1), encoding="utf-8")


def read_handover(folder: Path) -> Handover:
    """What `write_handover` wrote."""
    data = json.loads((folder / _FILE).read_text(encoding="utf-8"))
    images = [Path(path) for path in data["images"]]
    calibration, evaluation = (np.load(folder / f"{name}.npy", mmap_mode="r") for name in _SETS)
    return Handover(
        model=Path(data["model"]),
        head=Head.from_json(data["head"]),
        contract=Contract.model_validate(data["contract"]),
        calibration=calibration,
        evaluation=evaluation,
        names=tuple(path.name for path in images),
        placements=tuple(Placement(**fields) for fields in data["placements"]),
        labels=load_labels(Path(data["labels"]), images),
    )


def _write_inputs(target: Path, paths: Iterable[Path], contract: Contract) -> list[Placement]:
    paths = list(paths)
    out = np.lib.format.open_memmap(target, mode="w+", dtype=contract.dtype, shape=(len(paths), *contract.shape))
    placements = []
    for index, path in enumerate(paths):
        out[index], placement = preprocess(read_image(path), contract)
        placements.append(placement)
    out.flush()
    return placements
