"""What a toolchain built."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from edgewright.errors import TargetMismatch
from edgewright.tensors import Grid, TensorSpec


@dataclass(frozen=True)
class PortSpec:
    """An input or output of an artifact, exactly as the runtime wants or gives it.

    Attributes:
        spec: name, element type and shape at the runtime's boundary.
        layout: order of axes ("NCHW", "NHWC", or empty when it has no meaning).
        grid: quantisation grid when the boundary carries codes; None for real values.
    """

    spec: TensorSpec
    layout: str = ""
    grid: Grid | None = None

    def to_json(self) -> dict[str, Any]:
        """The port as JSON data."""
        grid = self.grid.to_json() if self.grid else None
        return {"spec": self.spec.to_json(), "layout": self.layout, "grid": grid}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> PortSpec:
        """Inverse of `to_json`."""
        grid = Grid.from_json(data["grid"]) if data["grid"] else None
        return cls(TensorSpec.from_json(data["spec"]), data["layout"], grid)


@dataclass(frozen=True)
class Artifact:
    """Files that a toolchain built for one target, with the exact description of their boundary.

    Attributes:
        target: `vendor/chip`.
        precision: "float" or "int8": what was asked for.
        files: paths relative to `folder`; the first one is what the runtime loads.
        folder: where the files lie.
        inputs, outputs: the boundary.
        toolchain: name and version of everything that took part.
        read_back: what the built file really contains (counts of ops by precision, conversions...), read from it. Where
            it runs so slowly here that not all images can pass it, `most_images` says how many may, `ran_on` where.
        digest: SHA-256 over the contents of `files`.
    """

    target: str
    precision: str
    files: tuple[str, ...]
    folder: Path
    inputs: tuple[PortSpec, ...]
    outputs: tuple[PortSpec, ...]
    toolchain: Mapping[str, str]
    digest: str
    read_back: Mapping[str, Any] = field(default_factory=dict)

    @property
    def path(self) -> Path:
        """The file that the runtime loads."""
        return self.folder / self.files[0]

    def require(self, target: str) -> None:
        """Refuse to be opened by another target than the one that it was built for.

        Raises:
            TargetMismatch: it was built for another one.
        """
        if self.target != target:
            raise TargetMismatch(
                f"this artifact was built for {self.target}, not for {target}",
                where=str(self.path),
                todo=f"open it on {self.target}, or deploy the model again with --target {target}",
            )

    def to_json(self) -> dict[str, Any]:
        """The artifact as JSON data, without `folder`: it moves."""
        return {
            "target": self.target,
            "precision": self.precision,
            "files": list(self.files),
            "inputs": [port.to_json() for port in self.inputs],
            "outputs": [port.to_json() for port in self.outputs],
            "toolchain": dict(self.toolchain),
            "digest": self.digest,
            "read_back": dict(self.read_back),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any], folder: Path) -> Artifact:
        """Inverse of `to_json`; `folder` is where the files lie now."""
        return cls(
            target=data["target"],
            precision=data["precision"],
            files=tuple(data["files"]),
            folder=folder,
            inputs=tuple(PortSpec.from_json(port) for port in data["inputs"]),
            outputs=tuple(PortSpec.from_json(port) for port in data["outputs"]),
            toolchain=data["toolchain"],
            digest=data["digest"],
            read_back=data["read_back"],
        )
