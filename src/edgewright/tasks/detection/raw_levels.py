"""Which outputs of a cut YOLOv8-type head are boxes and which are classes, told by sizes, channels and activations."""

from __future__ import annotations

from dataclasses import dataclass, replace

from edgewright.graph.model import Model
from edgewright.tasks.structure import ImageInput, Segment, boundaries, grids, image_input, segments, within

STRIDES = (4, 8, 16, 32, 64)
USUAL_BINS = 16  # reg_max of every YOLOv8 release
_LINEAR = frozenset({"Conv", "Add", "Gemm", "MatMul", "BatchNormalization"})  # a head's last op, bias apart or not


@dataclass(frozen=True)
class Level:
    """One stride of the head.

    Attributes:
        stride: pixels per cell.
        boxes, scores: names of the outputs; the same output when `joined`.
        bins: entries of a side's distribution.
        classes: number of classes.
        sigmoid: whether the class scores are probabilities already.
        joined: whether one output holds both, boxes first.
        told_by_graph: whether the graph shows what a head ends in: linear ops, or a sigmoid for the classes. Feature
            maps of a backbone end in activations.
    """

    stride: int
    boxes: str
    scores: str
    bins: int
    classes: int
    sigmoid: bool
    joined: bool
    told_by_graph: bool = True


def find_levels(model: Model) -> tuple[Level, ...]:
    """The levels, finest first; empty if the outputs are not those of such a head."""
    image = image_input(model)
    strides = None if image is None else _strides(model, image)
    if strides is None:
        return ()
    levels = []
    for stride in sorted(set(strides)):
        places = [place for place, other in enumerate(strides) if other == stride]
        level = _joined(model, places[0], stride) if len(places) == 1 else _pair(model, places, stride)
        if level is None:
            return ()
        levels.append(level)
    alike = {replace(level, stride=0, boxes="", scores="", told_by_graph=True) for level in levels}
    return tuple(levels) if len(levels) > 1 and len(alike) == 1 else ()


def _strides(model: Model, image: ImageInput) -> list[int] | None:
    """The stride of each output, by its size; None if an output is no feature map."""
    by_size = {size: stride for stride, size in zip(STRIDES, grids(image, STRIDES), strict=True)}
    found = []
    for spec in model.outputs:
        if len(spec.shape) != 4 or spec.shape[0] != 1 or spec.shape[1] is None:
            return None
        rows, columns = spec.shape[2:]
        if rows is None or columns is None or (rows, columns) not in by_size:
            return None
        found.append(by_size[rows, columns])
    return found


def _pair(model: Model, places: list[int], stride: int) -> Level | None:
    """Boxes and classes in outputs of their own.

    Boxes are the one whose channels divide by four; if both do, the one without a sigmoid where the other has one; then
    the one with the usual 64; then the first, in the exporter's order.
    """
    if len(places) != 2:
        return None
    channels = {place: model.outputs[place].shape[1] or 0 for place in places}
    activated = {place: _is_probability(segments(model, place, 1)) for place in places}
    fit = [place for place in places if channels[place] % 4 == 0 and not activated[place]]
    usual = [place for place in fit if channels[place] == 4 * USUAL_BINS]
    if not fit:
        return None
    boxes = fit[0] if len(fit) == 1 or not usual else usual[0]
    scores = sum(places) - boxes
    return Level(
        stride,
        model.outputs[boxes].name,
        model.outputs[scores].name,
        channels[boxes] // 4,
        channels[scores],
        activated[scores],
        joined=False,
        told_by_graph=_is_linear(segments(model, boxes, 1))
        and (activated[scores] or _is_linear(segments(model, scores, 1))),
    )


def _joined(model: Model, place: int, stride: int) -> Level | None:
    """Boxes and classes in one output; where the graph does not show the join, the usual 16 bins are assumed."""
    spec = model.outputs[place]
    channels = spec.shape[1] or 0
    found = segments(model, place, 1)
    cuts = sorted(cut for cut in boundaries(found) if cut % 4 == 0)
    split = 4 * USUAL_BINS if 4 * USUAL_BINS in cuts or not cuts else cuts[-1]
    if split >= channels:
        return None
    activated = _is_probability(within(found, split)) if cuts else False
    told = split in cuts and _is_linear(within(found, 0, split)) and (activated or _is_linear(within(found, split)))
    return Level(stride, spec.name, spec.name, split // 4, channels - split, activated, True, told)


def _is_probability(found: tuple[Segment, ...]) -> bool:
    return bool(found) and all(s.is_probability for s in found)


def _is_linear(found: tuple[Segment, ...]) -> bool:
    return all(s.ops <= _LINEAR for s in found)
