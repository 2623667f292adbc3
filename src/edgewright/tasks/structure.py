"""What a graph's structure says about its outputs: the image input, and which op wrote which channels of an output."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import onnx_ir as ir

from edgewright.data.contract import Contract, contract_for_model
from edgewright.graph.model import Model
from edgewright.tasks.shapes import ShapeTable

IMAGENET_MEAN = (123.675, 116.28, 103.53)
IMAGENET_STD = (58.395, 57.12, 57.375)
"""Red, green and blue of ImageNet in raw units, as torchvision and PaddleDetection use them."""
PROBABILITY_OPS = frozenset({"Sigmoid", "HardSigmoid", "Softmax"})
_SAME_LAYOUT = frozenset({"Identity", "Cast", "Dropout", "QuantizeLinear", "DequantizeLinear"})
_RESHAPING = frozenset({"Reshape", "Flatten", "Squeeze", "Unsqueeze"})
_MAX_DEPTH = 64  # a way from an output to the op that computes it is short; more is no head


@dataclass(frozen=True)
class ImageInput:
    """The one image input of a network: name, layout, element type, channels, size in pixels."""

    name: str
    layout: str
    dtype: str
    channels: int
    height: int
    width: int


def image_input(model: Model) -> ImageInput | None:
    """The image input if the model has exactly one input, of static shape (1, c, h, w) or (1, h, w, c), c 1 or 3."""
    if len(model.inputs) != 1:
        return None
    spec = model.inputs[0]
    if len(spec.shape) != 4 or spec.shape[0] != 1 or spec.dtype not in ("float32", "float16", "uint8"):
        return None
    _, a, b, c = spec.shape
    if a is None or b is None or c is None:
        return None
    if a in (1, 3):
        return ImageInput(spec.name, "NCHW", spec.dtype, a, b, c)
    return ImageInput(spec.name, "NHWC", spec.dtype, c, a, b) if c in (1, 3) else None


def image_contract(
    model: Model, colour: str, mean: float | tuple[float, ...], std: float | tuple[float, ...], **preset: Any
) -> Contract:
    """A contract for the model's image input; `mean` and `std` hold for every channel, or for each of three.

    Raises:
        ValueError: the model has no image input; a family's `recognise` has checked that it has one.
        ModelError: its input is larger than any image.
    """
    image = image_input(model)
    if image is None:
        raise ValueError("the model has no single static image input")
    return contract_for_model(
        input=image.name,
        width=image.width,
        height=image.height,
        colour="GRAY" if image.channels == 1 else colour,
        mean=_by_channel(mean, image.channels),
        std=_by_channel(std, image.channels),
        layout=image.layout,
        dtype=image.dtype,
        **preset,
    )


def _by_channel(number: float | tuple[float, ...], channels: int) -> tuple[float, ...]:
    """One entry a channel; a gray channel takes the average of colours."""
    given = number if isinstance(number, tuple) else (number,)
    return given if len(given) == channels else (sum(given) / len(given),) * channels


def grids(image: ImageInput, strides: tuple[int, ...]) -> tuple[tuple[int, int], ...]:
    """Rows and columns of the feature map at each stride; strided convolutions with padding round up."""
    return tuple((-(-image.height // stride), -(-image.width // stride)) for stride in strides)


def anchors(image: ImageInput, strides: tuple[int, ...]) -> int:
    """Number of cells of all grids together."""
    return sum(rows * columns for rows, columns in grids(image, strides))


@dataclass(frozen=True)
class Segment:
    """Channels `start` to `stop` of an output, written by `sources` (more than one where levels are joined)."""

    start: int
    stop: int
    sources: tuple[ir.Value, ...]

    @property
    def ops(self) -> frozenset[str]:
        """Types of the ops that wrote the segment; "input" where it comes from no op."""
        return frozenset(_op(source) for source in self.sources)

    @property
    def is_probability(self) -> bool:
        """Whether every source is a sigmoid or a softmax."""
        return self.ops <= PROBABILITY_OPS


def segments(model: Model, output: int, axis: int) -> tuple[Segment, ...]:
    """The channels along `axis` of an output, cut where the graph joins them.

    The walk goes back through joins, transposes, reshapes that keep the axis, splits and slices, and ends at the op
    that computes the values. Where the graph does not tell, a segment is not cut further.
    """
    return _walk(model.ir.graph.outputs[output], axis, ShapeTable(model), 0)


def boundaries(parts: tuple[Segment, ...]) -> frozenset[int]:
    """Channels at which a new segment starts, 0 left out."""
    return frozenset(part.start for part in parts if part.start)


def within(parts: tuple[Segment, ...], start: int, stop: int | None = None) -> tuple[Segment, ...]:
    """Segments that share a channel with `start` to `stop`."""
    return tuple(part for part in parts if part.stop > start and (stop is None or part.start < stop))


def has_ancestor(value: ir.Value, op_type: str, depth: int) -> bool:
    """Whether an op of this type lies at most `depth` ops before `value`."""
    layer = [value]
    for _ in range(depth):
        nodes = [node for node in (entry.producer() for entry in layer) if node is not None]
        if any(node.op_type == op_type for node in nodes):
            return True
        layer = list(dict.fromkeys(entry for node in nodes for entry in node.inputs if entry is not None))
    return False


def _walk(value: ir.Value, axis: int, shapes: ShapeTable, depth: int, told: int | None = None) -> tuple[Segment, ...]:
    """Segments of `value`; `told` is the size of the axis where only its consumer knows it."""
    size = shapes.size(value, axis) or told
    whole = (Segment(0, size if size is not None else 2**31, (value,)),)
    node = value.producer()
    first = node.inputs[0] if node is not None and node.inputs else None
    if node is None or first is None or size is None or depth > _MAX_DEPTH:
        return whole
    if node.op_type == "Concat":
        return _concat(node, value, axis, shapes, depth, size) or whole
    if node.op_type in ("Split", "Slice"):
        start = shapes.start_of(node, value, axis)
        return whole if start is None else _window(_walk(first, axis, shapes, depth + 1), start, size)
    before = _axis_before(node, first, value, axis, shapes, size)
    return whole if before is None else _walk(first, before, shapes, depth + 1, size)


def _axis_before(
    node: ir.Node, first: ir.Value, value: ir.Value, axis: int, shapes: ShapeTable, size: int
) -> int | None:
    """Where the axis lies in a node's first input, for nodes that move values without changing them."""
    if node.op_type in _SAME_LAYOUT:
        return axis
    if node.op_type == "Transpose":
        order = _ints(node, "perm")
        return order[axis] if axis < len(order) else None
    return shapes.kept_axis(first, value, axis, size) if node.op_type in _RESHAPING else None


def _concat(
    node: ir.Node, value: ir.Value, axis: int, shapes: ShapeTable, depth: int, total: int
) -> tuple[Segment, ...]:
    joined = [entry for entry in node.inputs if entry is not None]
    along, rank = _int(node, "axis"), shapes.rank(value)
    if along < 0 and rank is None:
        return ()
    if (along + (rank or 0) if along < 0 else along) != axis:
        return _overlay([_walk(entry, axis, shapes, depth + 1, total) for entry in joined])
    sizes = [shapes.size(entry, axis) for entry in joined]
    known = [size for size in sizes if size is not None]
    if len(known) < len(sizes) - 1:
        return ()
    found: list[Segment] = []
    offset = 0
    for entry, size in zip(joined, sizes, strict=True):
        width = total - sum(known) if size is None else size
        parts = _walk(entry, axis, shapes, depth + 1, width)
        found += [Segment(part.start + offset, part.stop + offset, part.sources) for part in parts]
        offset += width
    return tuple(found)


def _overlay(branches: list[tuple[Segment, ...]]) -> tuple[Segment, ...]:
    """Branches that are joined along another axis: their segments must be cut alike."""
    spans = {tuple((part.start, part.stop) for part in branch) for branch in branches}
    if len(spans) != 1:
        return ()
    return tuple(
        Segment(parts[0].start, parts[0].stop, tuple(source for part in parts for source in part.sources))
        for parts in zip(*branches, strict=True)
    )


def _window(parts: tuple[Segment, ...], start: int, size: int) -> tuple[Segment, ...]:
    return tuple(
        Segment(max(part.start - start, 0), min(part.stop - start, size), part.sources)
        for part in within(parts, start, start + size)
    )


def _op(value: ir.Value) -> str:
    node = value.producer()
    return "input" if node is None else str(node.op_type)


def _int(node: ir.Node, name: str) -> int:
    return int(node.attributes[name].value) if name in node.attributes else 0


def _ints(node: ir.Node, name: str) -> tuple[int, ...]:
    return tuple(node.attributes[name].value) if name in node.attributes else ()
