"""RT-DETR with an 18-layer ResNet: the network of arXiv:2304.08069 in paddle.nn, as far as inference goes.

PaddleDetection's package has it only from versions that are not on PyPI. Sizes are those of its configuration
rtdetr_r18vd: hidden size 256, 8 heads, 4 points a level, 3 decoder layers, 300 queries.
"""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import paddle
from paddle import nn
from paddle.nn import functional

HIDDEN = 256
HEADS = 8
POINTS = 4
LEVELS = 3
STRIDES = (8, 16, 32)


class ConvNorm(nn.Layer):
    """Convolution, batch norm and an activation."""

    def __init__(self, inputs: int, outputs: int, kernel: int = 1, stride: int = 1, act: Any = None) -> None:
        super().__init__()
        padding = (kernel - 1) // 2
        self.conv = nn.Conv2D(inputs, outputs, kernel, stride=stride, padding=padding, bias_attr=False)
        self.norm = nn.BatchNorm2D(outputs)
        self.act = act

    def forward(self, values: Any) -> Any:
        """Convolve, normalise, activate."""
        values = self.norm(self.conv(values))
        return values if self.act is None else self.act(values)


class Fusion(nn.Layer):
    """Two branches, one of them three 3 x 3 convolutions deep, added: how the neck joins two levels."""

    def __init__(self, inputs: int, outputs: int, expansion: float) -> None:
        super().__init__()
        hidden = int(outputs * expansion)
        self.deep = nn.Sequential(
            ConvNorm(inputs, hidden, act=functional.silu),
            *(ConvNorm(hidden, hidden, 3, act=functional.silu) for _ in range(3)),
        )
        self.flat = ConvNorm(inputs, hidden, act=functional.silu)
        self.out = ConvNorm(hidden, outputs, act=functional.silu)

    def forward(self, values: Any) -> Any:
        """Both branches, added."""
        return self.out(self.deep(values) + self.flat(values))


class Encoder(nn.Layer):
    """Self-attention on the coarsest level, then a way up and a way down through the levels."""

    def __init__(self, channels: list[int], size: int, expansion: float = 0.5) -> None:
        super().__init__()
        self.project = nn.LayerList([ConvNorm(c, HIDDEN) for c in channels])
        self.attention = nn.TransformerEncoderLayer(HIDDEN, HEADS, 1024, dropout=0.0, activation="gelu")
        self.cells = size // STRIDES[-1]
        self.register_buffer("places", paddle.to_tensor(_places(self.cells)), persistable=False)
        self.lateral = nn.LayerList([ConvNorm(HIDDEN, HIDDEN, act=functional.silu) for _ in range(2)])
        self.up = nn.LayerList([Fusion(2 * HIDDEN, HIDDEN, expansion) for _ in range(2)])
        self.shrink = nn.LayerList([ConvNorm(HIDDEN, HIDDEN, 3, 2, functional.silu) for _ in range(2)])
        self.down = nn.LayerList([Fusion(2 * HIDDEN, HIDDEN, expansion) for _ in range(2)])

    def forward(self, features: list[Any]) -> list[Any]:
        """Three levels, fine to coarse, to three of HIDDEN channels."""
        fine, middle, coarse = (self.project[k](features[k]) for k in range(LEVELS))
        flat = coarse.flatten(2).transpose([0, 2, 1])
        flat = _encoded(self.attention, flat, self.places)
        coarse = flat.transpose([0, 2, 1]).reshape([-1, HIDDEN, self.cells, self.cells])
        coarse = self.lateral[0](coarse)
        middle = self.up[0](paddle.concat([functional.interpolate(coarse, scale_factor=2.0), middle], axis=1))
        middle = self.lateral[1](middle)
        fine = self.up[1](paddle.concat([functional.interpolate(middle, scale_factor=2.0), fine], axis=1))
        middle = self.down[0](paddle.concat([self.shrink[0](fine), middle], axis=1))
        coarse = self.down[1](paddle.concat([self.shrink[1](middle), coarse], axis=1))
        return [fine, middle, coarse]


def _encoded(layer: Any, values: Any, places: Any) -> Any:
    """A post-norm encoder layer whose queries and keys, but not values, know where they are."""
    placed = values + places
    values = layer.norm1(values + layer.self_attn(placed, placed, values))
    return layer.norm2(values + layer.linear2(layer.activation(layer.linear1(values))))


def _places(cells: int) -> Any:
    """Sine and cosine of column and row, (1, cells * cells, HIDDEN)."""
    rate = 1.0 / 10000.0 ** (np.arange(HIDDEN // 4) / (HIDDEN // 4))
    y, x = np.mgrid[:cells, :cells]
    waves = [f(axis.reshape(-1, 1) * rate) for axis in (x, y) for f in (np.sin, np.cos)]
    return np.concatenate(waves, axis=1)[None].astype("float32")


class Mlp(nn.Layer):
    """Linear layers with ReLU between."""

    def __init__(self, *widths: int) -> None:
        super().__init__()
        self.layers = nn.LayerList([nn.Linear(a, b) for a, b in itertools.pairwise(widths)])

    def forward(self, values: Any) -> Any:
        """The last layer has no activation."""
        for layer in self.layers[:-1]:
            values = functional.relu(layer(values))
        return self.layers[-1](values)


class Deformable(nn.Layer):
    """Each query looks at a few places of each level, near its box."""

    def __init__(self, shapes: list[int]) -> None:
        super().__init__()
        self.shapes = shapes
        self.offsets = nn.Linear(HIDDEN, HEADS * LEVELS * POINTS * 2)
        self.weights = nn.Linear(HIDDEN, HEADS * LEVELS * POINTS)
        self.value = nn.Linear(HIDDEN, HIDDEN)
        self.out = nn.Linear(HIDDEN, HIDDEN)
        # as in the papers: each head looks its own way, further with each point, until training says otherwise
        turns = np.arange(HEADS) * (2 * np.pi / HEADS)
        ways = np.stack([np.cos(turns), np.sin(turns)], axis=-1)
        ways = ways / np.abs(ways).max(-1, keepdims=True)
        steps = np.arange(1, POINTS + 1).reshape(1, 1, -1, 1)
        self.offsets.bias.set_value(
            np.tile(ways.reshape(HEADS, 1, 1, 2) * steps, (1, LEVELS, 1, 1)).ravel().astype("float32")
        )
        for layer in (self.offsets, self.weights):
            layer.weight.set_value(layer.weight * 0.1)

    def forward(self, query: Any, boxes: Any, memory: Any) -> Any:
        """Query (b, n, c), boxes (b, n, 4), memory (b, cells, c)."""
        queries, width = query.shape[1], HIDDEN // HEADS
        value = self.value(memory).reshape([0, 0, HEADS, width])
        offsets = self.offsets(query).reshape([-1, queries, HEADS, LEVELS, POINTS, 2])
        weights = functional.softmax(self.weights(query).reshape([-1, queries, HEADS, LEVELS * POINTS]))
        boxes = boxes.reshape([-1, queries, 1, 1, 1, 4])
        places = 2 * (boxes[..., :2] + offsets / POINTS * boxes[..., 2:] * 0.5) - 1
        found = []
        for level, part in enumerate(value.split([n * n for n in self.shapes], axis=1)):
            image = part.flatten(2).transpose([0, 2, 1]).reshape([-1, width, self.shapes[level], self.shapes[level]])
            grid = places[:, :, :, level].transpose([0, 2, 1, 3, 4]).reshape([-1, queries, POINTS, 2])
            found.append(functional.grid_sample(image, grid, "bilinear", "zeros", align_corners=False))
        weights = weights.transpose([0, 2, 1, 3]).reshape([-1, 1, queries, LEVELS * POINTS])
        seen = (paddle.concat(found, axis=-1) * weights).sum(-1)
        return self.out(seen.reshape([-1, HIDDEN, queries]).transpose([0, 2, 1]))


class DecoderLayer(nn.Layer):
    """Queries look at each other, then at the image."""

    def __init__(self, shapes: list[int]) -> None:
        super().__init__()
        self.self_attention = nn.MultiHeadAttention(HIDDEN, HEADS)
        self.cross = Deformable(shapes)
        self.first, self.second = nn.Linear(HIDDEN, 1024), nn.Linear(1024, HIDDEN)
        self.norms = nn.LayerList([nn.LayerNorm(HIDDEN) for _ in range(3)])

    def forward(self, query: Any, boxes: Any, memory: Any, place: Any) -> Any:
        """As `Deformable`, with the place of each query."""
        placed = query + place
        query = self.norms[0](query + self.self_attention(placed, placed, query))
        query = self.norms[1](query + self.cross(query + place, boxes, memory))
        return self.norms[2](query + self.second(functional.relu(self.first(query))))


class RtDetr(nn.Layer):
    """Boxes and class logits of 300 queries; with `finished`, the best 300 in pixels of the image."""

    def __init__(self, backbone: Any, classes: int = 80, size: int = 640, queries: int = 300, layers: int = 3) -> None:
        super().__init__()
        self.backbone, self.classes, self.queries, self.finished = backbone, classes, queries, True
        shapes = [size // stride for stride in STRIDES]
        self.encoder = Encoder([s.channels for s in backbone.out_shape], size)
        self.project = nn.LayerList([ConvNorm(HIDDEN, HIDDEN) for _ in range(LEVELS)])
        self.encoded = nn.Sequential(nn.Linear(HIDDEN, HIDDEN), nn.LayerNorm(HIDDEN))
        self.first_scores, self.first_boxes = nn.Linear(HIDDEN, classes), Mlp(HIDDEN, HIDDEN, HIDDEN, 4)
        self.place = Mlp(4, 2 * HIDDEN, HIDDEN)
        self.layers = nn.LayerList([DecoderLayer(shapes) for _ in range(layers)])
        self.scores = nn.Linear(HIDDEN, classes)
        self.boxes = nn.LayerList([Mlp(HIDDEN, HIDDEN, HIDDEN, 4) for _ in range(layers)])
        anchors, valid = _anchors(shapes)
        self.register_buffer("anchors", paddle.to_tensor(anchors), persistable=False)
        self.register_buffer("valid", paddle.to_tensor(valid), persistable=False)

    def forward(self, inputs: dict[str, Any]) -> Any:
        """Boxes and logits, or rows and their number."""
        features = self.encoder(self.backbone(inputs))
        memory = [self.project[k](features[k]).flatten(2).transpose([0, 2, 1]) for k in range(LEVELS)]
        memory = paddle.concat(memory, axis=1)
        encoded = self.encoded(memory * self.valid)
        _, best = paddle.topk(self.first_scores(encoded).max(-1), self.queries, axis=1)
        best = _with_batch(best)
        boxes = functional.sigmoid(paddle.gather_nd(self.first_boxes(encoded) + self.anchors, best))
        query = paddle.gather_nd(encoded, best)
        for index, layer in enumerate(self.layers):  # Paddle's tracing knows no zip(strict=...)
            query = layer(query, boxes, memory, self.place(boxes))
            boxes = functional.sigmoid(self.boxes[index](query) + _logit(boxes))
        logits = self.scores(query)
        if not self.finished:
            return boxes, logits
        return _finish(boxes, logits, inputs["im_shape"], inputs["scale_factor"], self.classes, self.queries)


def _with_batch(index: Any) -> Any:
    """Indices (batch, n) to (batch, n, 2), each with the number of its image before it."""
    images = paddle.arange(end=paddle.shape(index)[0], dtype=index.dtype).unsqueeze(-1).tile([1, index.shape[1]])
    return paddle.stack([images, index], axis=-1)


def _finish(boxes: Any, logits: Any, im_shape: Any, scale_factor: Any, classes: int, count: int) -> Any:
    """Rows of class, score and corners in pixels of the image that came before resizing, and their number."""
    centre, size = boxes[:, :, :2], boxes[:, :, 2:]
    corners = paddle.concat([centre - 0.5 * size, centre + 0.5 * size], axis=-1)
    image = paddle.floor(im_shape / scale_factor + 0.5)
    corners = corners * image.flip(1).tile([1, 2]).unsqueeze(1)
    scores, index = paddle.topk(functional.sigmoid(logits).flatten(1), count, axis=-1)
    labels, rows = index % classes, index // classes
    corners = paddle.gather_nd(corners, _with_batch(rows))
    found = paddle.concat([labels.unsqueeze(-1).astype("float32"), scores.unsqueeze(-1), corners], axis=-1)
    number = paddle.to_tensor(count, dtype="int32").tile([paddle.shape(found)[0]])
    return found.reshape([-1, 6]), number


def _logit(values: Any) -> Any:
    values = values.clip(1e-5, 1 - 1e-5)
    return paddle.log(values / (1 - values))


def _anchors(shapes: list[int]) -> tuple[Any, Any]:
    """Logits of a box at each cell, (1, cells, 4), and 1 where it lies inside the image, else 0, (1, cells, 1)."""
    found = []
    for level, count in enumerate(shapes):
        y, x = (np.mgrid[:count, :count] + 0.5) / count
        size = np.full_like(x, 0.05 * 2.0**level)
        found.append(np.stack([x, y, size, size], axis=-1).reshape(-1, 4))
    anchors = np.concatenate(found)[None]
    valid = ((anchors > 0.01) & (anchors < 0.99)).all(-1, keepdims=True)
    logits = np.log(anchors / (1 - anchors))
    return np.where(valid, logits, 1e4).astype("float32"), valid.astype("float32")
