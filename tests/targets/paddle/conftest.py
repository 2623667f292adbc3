"""Paddle environments and models exported in them, shared by tests with the real packages."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from edgewright.graph.model import Model
from edgewright.graph.origin import Origin
from edgewright.toolchains.environments import ensure
from edgewright.toolchains.surroundings import surroundings
from edgewright.toolchains.vendors import vendor_spec
from tests.helpers import model_from_text

SCRIPT = Path(__file__).with_name("exports.py")


@dataclass(frozen=True)
class Export:
    """A model of `exports.py` in a version's format.

    `model` has the boundary that an ONNX model made from it would have: `image` in, `out` out.
    """

    program: Path
    weights: Path
    version: str
    arrays: dict[str, NDArray[np.float32]]

    @property
    def model(self) -> Model:
        shape = ",".join(map(str, self.arrays["y"].shape)) if "y" in self.arrays else "1,4,8,8"
        return model_from_text(
            '<ir_version: 8, opset_import: ["" : 13]> '
            f"g (float[1,3,8,8] image) => (float[{shape}] out) {{ out = Relu (image) }}"
        )

    def origin(self, output: str) -> Origin:
        constants = {name: values for name, values in self.arrays.items() if name not in ("x", "y")}
        return Origin("paddle", self.version, self.program, self.weights, ("x",), (output,), constants)

    @property
    def feeds(self) -> dict[str, NDArray[np.float32]]:
        return {name: values for name, values in self.arrays.items() if name != "y"}


GetExport = Callable[[str, str], Export]


@pytest.fixture(scope="session")
def exported(tmp_path_factory: pytest.TempPathFactory) -> GetExport:
    """`exported(name, version)`: all versions are installed, for each is a remedy of another."""
    folders: dict[str, Path] = {}
    for version in vendor_spec("paddle").versions:
        made = ensure(vendor_spec("paddle"), version, yes=True)
        folders[version] = tmp_path_factory.mktemp(f"paddle-{version}")
        command = [str(made.python), str(SCRIPT), str(folders[version])]
        subprocess.run(command, env=surroundings(made.folder), check=True, capture_output=True, timeout=300)

    def get(name: str, version: str) -> Export:
        folder = folders[version]
        program = next(path for path in (folder / f"{name}.json", folder / f"{name}.pdmodel") if path.is_file())
        with np.load(folder / f"{name}.npz", allow_pickle=False) as arrays:
            return Export(program, folder / f"{name}.pdiparams", version, {key: arrays[key] for key in arrays.files})

    return get
