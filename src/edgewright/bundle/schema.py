"""The checked form of the values that a manifest takes over from other modules: artifact, head, golden samples."""

from __future__ import annotations

import math
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, JsonValue

from edgewright.bundle.paths import path_problem

MAX_ELEMENTS = 2**31  # of one tensor; more does not fit into any edge device's memory


def _safe(path: str) -> str:
    if reason := path_problem(path):
        raise ValueError(f"path {path[:240]!r}: {reason}")
    return path


SafePath = Annotated[str, AfterValidator(_safe)]
Text = Annotated[str, Field(max_length=4096)]
Word = Annotated[str, Field(min_length=1, max_length=512)]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Texts = Annotated[dict[str, Text], Field(max_length=256)]
Json = dict[str, JsonValue]


class Frozen(BaseModel):
    """A value that cannot be changed and takes no field that it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class SpecInfo(Frozen):
    """A `TensorSpec`."""

    name: Word
    dtype: Annotated[str, Field(pattern=r"^(float(16|32|64)|u?int(8|16|32|64)|bool)$")]
    shape: Annotated[tuple[Annotated[int, Field(ge=0, le=MAX_ELEMENTS)] | None, ...], Field(max_length=16)]

    def model_post_init(self, _context: Any, /) -> None:
        """Refuse a tensor that no memory holds."""
        if math.prod(n for n in self.shape if n is not None) > MAX_ELEMENTS:
            raise ValueError(f"tensor {self.name!r} has more than {MAX_ELEMENTS} elements")


class GridInfo(Frozen):
    """A `Grid`; its own constructor checks the figures."""

    dtype: Annotated[str, Field(max_length=16)]
    scale: float | Annotated[tuple[float, ...], Field(max_length=65536)]
    zero_point: int | Annotated[tuple[int, ...], Field(max_length=65536)]
    axis: Annotated[int, Field(ge=-16, le=15)] | None


class PortInfo(Frozen):
    """A `PortSpec`."""

    spec: SpecInfo
    layout: Annotated[str, Field(pattern=r"^(NCHW|NHWC)?$")]
    grid: GridInfo | None


Ports = Annotated[tuple[PortInfo, ...], Field(min_length=1, max_length=256)]


class ArtifactInfo(Frozen):
    """An `Artifact` without its folder."""

    target: Word
    precision: Word
    files: Annotated[tuple[SafePath, ...], Field(min_length=1, max_length=512)]
    inputs: Ports
    outputs: Ports
    toolchain: Texts
    digest: Text
    read_back: Json


class PartInfo(Frozen):
    """A `Part`."""

    name: Word
    output: Word
    axis: Annotated[int, Field(ge=-16, le=15)]
    start: int
    stop: int | None
    kind: Word
    channel_axis: Annotated[int, Field(ge=-16, le=15)] | None


class HeadInfo(Frozen):
    """A `Head`."""

    family: Word
    task: Word
    parts: Annotated[tuple[PartInfo, ...], Field(max_length=256)]
    params: Json
    evidence: Text


class ModelInfo(Frozen):
    """The source model: its name, the SHA-256 of its bytes and the version of its operator set."""

    name: Word
    digest: Text
    opset: int


class DecodeInfo(Frozen):
    """`DecodeSettings` for use, not for measuring."""

    confidence: Annotated[float, Field(ge=0, le=1)]
    iou: Annotated[float, Field(ge=0, le=4096)]  # keypoint heads keep a radius in pixels here
    max_results: Annotated[int, Field(ge=1, le=1_000_000)] = 300
    max_candidates: Annotated[int, Field(ge=1, le=10_000_000)] = 30_000
    clip: bool = True


class GoldenInfo(Frozen):
    """One golden sample.

    Attributes:
        inputs, outputs: .npz files with every input and output at the artifact's own boundary types.
        image: the image file that the inputs were made of, or None.
        tolerance: largest relative L2 of a part at which the artifact still computes the same.
    """

    inputs: SafePath
    outputs: SafePath
    image: SafePath | None = None
    tolerance: Annotated[float, Field(gt=0, le=1)]


class RestoreInfo(Frozen):
    """The float graph that runs on the host behind the artifact.

    Attributes:
        file: an ONNX file, whose inputs are outputs of the artifact.
        outputs: what it gives: the outputs that the head is told of.
    """

    file: SafePath
    outputs: Annotated[tuple[SpecInfo, ...], Field(min_length=1, max_length=256)]


class InputPathInfo(Frozen):
    """How a raw byte becomes what the artifact is fed; found and proven again by every Edgewright that runs the bundle.

    Attributes:
        route: the way.
        formula: the arithmetic of the first channel.
        proof: how many of the 256 values of each channel were compared and found equal.
        engine: what computed it where the bundle was packed.
        copies: passes over a frame of the network's own size; 0 where its bytes are fed as they are.
        microseconds: of such a frame, median.
        copy_microseconds: of a copy of the same bytes, in the same loop.
    """

    route: Annotated[str, Field(pattern=r"^(identity|sign flip|affine|table|float)$")]
    formula: Text
    proof: Text
    engine: Text
    copies: Annotated[int, Field(ge=0, le=1)]
    microseconds: Annotated[float, Field(ge=0)]
    copy_microseconds: Annotated[float, Field(ge=0)]


class FileInfo(Frozen):
    """What a file of the bundle must be."""

    sha256: Sha256
    bytes: Annotated[int, Field(ge=0, le=2**40)]
