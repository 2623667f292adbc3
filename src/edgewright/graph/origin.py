"""Where an ONNX model came from: the framework's own files, for targets that run those and not ONNX."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Origin:
    """A model in its framework's own files, with the boundary of the ONNX model that was made from it.

    Attributes:
        framework: "paddle".
        version: version of the framework's environment that reads these files ("2.6.2").
        program: the network: `.pdmodel`, or `.json` for Paddle 3's program format.
        weights: `.pdiparams`.
        inputs: name in the framework of each input of the ONNX model, in its order.
        outputs: name in the framework of each output of the ONNX model, in its order.
        constants: further inputs that the ONNX model has as constants (`scale_factor` of a Paddle detector), and what
            they are fed with.
    """

    framework: str
    version: str
    program: Path
    weights: Path
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    constants: Mapping[str, NDArray[Any]] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """The origin as JSON data; files by name, for they lie in one folder."""
        return {
            "framework": self.framework,
            "version": self.version,
            "program": self.program.name,
            "weights": self.weights.name,
            "inputs": list(self.inputs),
            "outputs": list(self.outputs),
            "constants": {
                name: {"dtype": str(value.dtype), "values": value.tolist()} for name, value in self.constants.items()
            },
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any], folder: Path) -> Origin:
        """Inverse of `to_json`; `folder` is where the files lie now."""
        return cls(
            framework=data["framework"],
            version=data["version"],
            program=folder / data["program"],
            weights=folder / data["weights"],
            inputs=tuple(data["inputs"]),
            outputs=tuple(data["outputs"]),
            constants={name: np.asarray(given["values"], given["dtype"]) for name, given in data["constants"].items()},
        )
