"""Part of the worker: what the toolkit's accuracy analysis writes, read and deleted again."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

_FOLDER = "snapshot"


def analyse(rknn: Any, inputs: Sequence[Any], tensors: Sequence[str], kind: str) -> tuple[Any, str, dict[str, Any]]:
    """Run the accuracy analysis of a built model on one sample.

    The folder that it writes holds hundreds of megabytes for one image: it is gone afterwards.

    Args:
        tensors: of the fused graph.
        kind: "golden" for their values in float, "simulator" for those that are simulated.

    Returns:
        what the toolkit returned, its table of errors, and the values by number.
    """
    files = [Path(f"analysed{index}.npy") for index in range(len(inputs))]
    try:
        for file, values in zip(files, inputs, strict=True):
            np.save(file, values)
        answer = rknn.accuracy_analysis(inputs=[str(file) for file in files], output_dir=_FOLDER)
        if answer != 0:
            return answer, "", {}
        places = _files()
        folder = Path(_FOLDER, kind, "npy")
        found = {str(index): np.load(folder / places[name]) for index, name in enumerate(tensors)}
        table = Path(_FOLDER, "error_analysis.txt").read_text(encoding="utf-8")
        return answer, table, {index: values.astype(np.float32) for index, values in found.items()}
    finally:
        shutil.rmtree(_FOLDER, ignore_errors=True)
        for file in files:
            if file.is_file():
                file.unlink()


def _files() -> dict[str, str]:
    """Name of the .npy file by tensor, from the table that the toolkit leaves."""
    lines = Path(_FOLDER, "map_name_to_file.txt").read_text(encoding="utf-8").splitlines()
    rows = [line.rsplit(None, 1) for line in lines if line.rstrip().endswith(".txt")]
    return {name.strip(): file[: -len(".txt")] + ".npy" for name, file in rows}
